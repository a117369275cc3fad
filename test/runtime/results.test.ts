/** What programs return, and whose memory they write to. */
import { describe, expect, it } from 'vitest';
import {
  add,
  matmul,
  input,
  multiply,
  relu,
  slice,
  subtract,
  type Shape,
  type Tensor,
} from '../../src/graph/index.ts';
import { compile, type HostTensor } from '../../src/runtime/index.ts';
import { toHost } from '../reference/engine-run.ts';
import { drawNormal } from '../reference/operation-cases.ts';
import { floats, refusal, vector } from './host-arrays.ts';

const x = (shape: Shape = ['B', 7]): Tensor => input('x', 'float32', shape);

describe('results', () => {
  it('come in new arrays that later runs leave alone', async () => {
    const program = await compile({ y: multiply(x([3]), 2) }, { threads: 1 });
    const first = await program.run({ x: vector(1, 2, 3) });
    const second = await program.run({ x: vector(4, 5, 6) });
    expect([...first.y.data]).toEqual([2, 4, 6]);
    expect([...second.y.data]).toEqual([8, 10, 12]);
  });

  it('are written into the arrays they are given, views included, and nowhere else', async () => {
    const outputs = { y: multiply(x([3]), 2), z: relu(input('w', 'float32', [2])) };
    const program = await compile(outputs, { threads: 1 });
    const all = new Float32Array(6).fill(-1);
    const into = { y: { data: all.subarray(1, 4), shape: [3] } };
    const results = await program.run({ x: vector(1, 2, 3), w: vector(-5, 5) }, into);
    expect([...all]).toEqual([-1, 2, 4, 6, -1, -1]);
    expect(results.y).toBe(into.y);
    expect([...results.z.data]).toEqual([0, 5]);
  });

  it('fit the arrays they are given', async () => {
    const program = await compile({ y: relu(x()) }, { threads: 1 });
    const feeds = { x: floats(2, 7) };
    expect(await refusal(() => program.run(feeds, { y: floats(3, 7) }))).toMatchInlineSnapshot(
      `"run: result y: expected float32[B, 7] with B = 2, got Float32Array of 21 as [3, 7]"`,
    );
    const integers = { data: new Int32Array(14), shape: [2, 7] };
    expect(await refusal(() => program.run(feeds, { y: integers }))).toMatchInlineSnapshot(
      `"run: result y: expected float32[B, 7] with B = 2, got Int32Array of 14 as [2, 7]"`,
    );
    const misnamed = { Y: floats(2, 7) } as unknown as { y: HostTensor };
    expect(await refusal(() => program.run(feeds, misnamed))).toMatchInlineSnapshot(
      `"run: expected a result of the program (y), got Y"`,
    );
  });

  it('may overwrite what was fed where every number depends on its own place alone', async () => {
    const size = 100_003;
    const [p, g, m] = ['p', 'g', 'm'].map((name) => input(name, 'float32', ['n'])) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const nextM = add(multiply(m, 0.9), g);
    const program = await compile({ nextP: subtract(p, multiply(nextM, 0.1)), nextM }, { threads: 2 });
    const draw = (seed: number): HostTensor<Float32Array> =>
      toHost('float32', drawNormal([size], seed)) as HostTensor<Float32Array>;
    const [values, gradients, moments] = [draw(1), draw(2), draw(3)];
    const expectedM = new Float32Array(moments.data);
    const expectedP = new Float32Array(values.data);
    for (let step = 0; step < 3; step++) {
      await program.run({ p: values, g: gradients, m: moments }, { nextP: values, nextM: moments });
      for (let i = 0; i < size; i++) {
        expectedM[i] = Math.fround(Math.fround(expectedM[i]! * Math.fround(0.9)) + gradients.data[i]!);
        expectedP[i] = expectedP[i]! - Math.fround(expectedM[i]! * Math.fround(0.1));
      }
    }
    const difference = (a: Float32Array, b: Float32Array): number =>
      a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
    expect(difference(moments.data, expectedM)).toBeLessThan(1e-6);
    expect(difference(values.data, expectedP)).toBeLessThan(1e-6);
  });

  it('overwrite what an operation had still to read: the engine does not know that they share memory', async () => {
    // Why gradients and updates are programs of their own (docs/decisions/0004-engine-facts.md). The last product reads
    // w, but is two products away, so that w is overwritten by then.
    const [a, w] = [input('a', 'float32', [4, 4]), input('w', 'float32', [4, 4])];
    const late = matmul(relu(matmul(a, a)), w);
    const program = await compile({ late, next: multiply(w, 0) }, { threads: 1 });
    const ones = (): HostTensor<Float32Array> => ({ data: new Float32Array(16).fill(1), shape: [4, 4] });
    const apart = await program.run({ a: ones(), w: ones() });
    expect(apart.late.data[0]).toBe(16);
    const shared = ones();
    const together = await program.run({ a: ones(), w: shared }, { next: shared });
    expect(together.late.data[0]).toBe(0);
  });

  it('are refused when they come out in another shape than declared', async () => {
    const program = await compile({ y: slice(x(['B', 'S']), 1, 2, 5) }, { threads: 1 });
    expect((await program.run({ x: floats(2, 9) })).y.shape).toEqual([2, 3]);
    expect(await refusal(() => program.run({ x: floats(2, 4) }))).toMatchInlineSnapshot(
      `"run: result y: expected float32[B, 3] with B = 2, S = 4, got Float32Array of 4 as [2, 2]"`,
    );
  });
});
