/** Programs run again and again: other sizes, other options, every data type. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  attention,
  cast,
  input,
  linear,
  matmul,
  reshape,
  sqrt,
  type Shape,
  type Tensor,
} from '../../src/graph/index.ts';
import { compile, type HostTensor } from '../../src/runtime/index.ts';
import { relativeError, toHost } from '../reference/engine-run.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { drawNormal } from '../reference/operation-cases.ts';
import { floats, vector } from './host-arrays.ts';

const x = (shape: Shape = ['B', 7]): Tensor => input('x', 'float32', shape);

describe('a program', () => {
  it('runs with other sizes each time', async () => {
    const [q, weight] = [input('q', 'float32', ['B', 'S', 8]), input('w', 'float32', [8, 8])];
    const mask = input('mask', 'int32', ['B', 'S']);
    const y = attention(linear(q, weight), q, q, mask, 2);
    const program = await compile({ y, flat: matmul(reshape(y, ['B*S', 8]), weight) }, { threads: 2 });
    const w = drawNormal([8, 8], 1);
    for (const [batch, sequence] of [
      [13, 7],
      [1, 1],
      [2, 65],
      [13, 7],
      [1, 384],
      [5, 2],
    ] as const) {
      const drawn = {
        q: drawNormal([batch, sequence, 8], batch),
        w,
        mask: {
          shape: [batch, sequence],
          data: new Float64Array(batch * sequence).map((_, i) => Number(i % sequence < 5)),
        },
      };
      const got = await program.run({
        q: toHost('float32', drawn.q),
        w: toHost('float32', w),
        mask: toHost('int32', drawn.mask),
      });
      const [expected, flat] = evaluate([y, matmul(reshape(y, ['B*S', 8]), weight)], drawn);
      const read = ({ data, shape }: HostTensor) => ({
        shape,
        data: Float64Array.from(data as Float32Array),
      });
      expect(relativeError(read(got.y), expected!)).toBeLessThan(2e-6);
      expect(relativeError(read(got.flat), flat!)).toBeLessThan(2e-6);
    }
    await program.release();
  });

  it('gives the same numbers with its memory handed back after each run', async () => {
    const y = matmul(x(['B', 7]), input('w', 'float32', [7, 5]));
    const feeds = { x: floats(13, 7), w: floats(7, 5) };
    const [kept, returned] = await Promise.all(
      [true, false].map(async (keepMemory) => (await compile({ y }, { threads: 1, keepMemory })).run(feeds)),
    );
    expect(returned!.y.data).toEqual(kept!.y.data);
  });

  it('takes and returns every data type', async () => {
    const program = await compile(
      {
        longs: cast(input('a', 'int32', [2]), 'int64'),
        bytes: cast(input('b', 'float32', [2]), 'uint8'),
        signed: cast(input('c', 'int64', [2]), 'int8'),
        flags: cast(input('d', 'uint8', [2]), 'bool'),
        numbers: cast(input('e', 'bool', [2]), 'float32'),
      },
      { threads: 1 },
    );
    const results = await program.run({
      a: { data: Int32Array.of(-1, 2), shape: [2] },
      b: vector(3, 200),
      c: { data: BigInt64Array.of(-5n, 5n), shape: [2] },
      d: { data: Uint8Array.of(0, 2), shape: [2] },
      e: { data: Uint8Array.of(0, 1), shape: [2] },
    });
    expect(results.longs.data).toEqual(BigInt64Array.of(-1n, 2n));
    expect(results.bytes.data).toEqual(Uint8Array.of(3, 200));
    expect(results.signed.data).toEqual(Int8Array.of(-5, 5));
    expect(results.flags.data).toEqual(Uint8Array.of(0, 1));
    expect(results.numbers.data).toEqual(Float32Array.of(0, 1));
  });

  it('writes a profile when asked', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bertram-profile-'));
    const program = await compile({ y: sqrt(x([3])) }, { profile: join(directory, 'step') });
    await program.run({ x: vector(1, 4, 9) });
    program.endProfiling();
    const files = await readdir(directory);
    expect(files).toHaveLength(1);
    expect(files[0]).toMatch(/^step.*\.json$/);
    await program.release();
    await rm(directory, { recursive: true });
  });
});
