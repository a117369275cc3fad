/** The engine through its C API: numbers of its npm package, and the care that foreign memory needs. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  attention,
  cast,
  gather,
  gelu,
  input,
  layerNorm,
  linear,
  matmul,
  multiply,
  relu,
  softmax,
  sum,
  type DType,
} from '../../src/graph/index.ts';
import { compile, type EngineName, type Feeds, type HostTensor } from '../../src/runtime/index.ts';
import { toHost } from '../reference/engine-run.ts';
import { drawNormal } from '../reference/operation-cases.ts';
import { floats, refusal, vector } from './host-arrays.ts';

const ENGINES: readonly EngineName[] = ['native', 'binding'];

const bytesOf = ({ data }: HostTensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** A product that takes a good tenth of a second, and what it is fed. */
async function longProgram(): Promise<{ run: () => Promise<number>; release: () => Promise<void> }> {
  const size = 1200;
  const [a, b] = [input('a', 'float32', [size, size]), input('b', 'float32', [size, size])];
  const product = [1, 2, 3, 4].reduce((left) => matmul(left, b), a);
  const program = await compile({ total: sum(product) }, { threads: 1 });
  // Columns of one 1 each, so that the product is `a`, which is all 2. Nothing else refers to the arrays.
  const run = async (): Promise<number> => {
    const unit = new Float32Array(size * size);
    for (let i = 0; i < size; i++) unit[i * size + i] = 1;
    const twos = new Float32Array(size * size).fill(2);
    const shape = [size, size];
    const { total } = await program.run({ a: { data: twos, shape }, b: { data: unit, shape } });
    return Number(total.data[0]) / (2 * size * size);
  };
  return { run, release: () => program.release() };
}

it('is what programs use', async () => {
  const program = await compile({ y: relu(input('x', 'float32', [3])) });
  expect([program.engine, program.fallbackReason]).toEqual(['native', undefined]);
});

describe('both ways to the engine', () => {
  it('give the same numbers, bit for bit', async () => {
    const [x, table] = [input('x', 'float32', ['B', 'S', 24]), input('table', 'float32', [37, 24])];
    const [weight, bias] = [input('weight', 'float32', [24, 24]), input('bias', 'float32', [24])];
    const [ids, mask] = [input('ids', 'int64', ['B', 'S']), input('mask', 'int32', ['B', 'S'])];
    const embedded = gather(table, ids);
    const mixed = attention(linear(x, weight, bias), embedded, x, mask, 3);
    const normed = layerNorm(mixed, bias, bias, 1e-12);
    const outputs = { y: softmax(gelu(linear(normed, weight))), rounded: cast(multiply(normed, 9), 'int8') };
    const [B, S] = [13, 65];
    const fill = (dtype: DType, shape: number[], value: (i: number) => number): HostTensor =>
      toHost(dtype, { shape, data: new Float64Array(shape.reduce((a, b) => a * b)).map((_, i) => value(i)) });
    const feeds: Feeds = {
      x: toHost('float32', drawNormal([B, S, 24], 1)),
      table: toHost('float32', drawNormal([37, 24], 2)),
      weight: toHost('float32', drawNormal([24, 24], 3)),
      bias: toHost('float32', drawNormal([24], 4)),
      ids: fill('int64', [B, S], (i) => (i * 7) % 37),
      mask: fill('int32', [B, S], (i) => Number(i % S < 50)),
    };
    const [ours, theirs] = await Promise.all(
      ENGINES.map(async (engine) => {
        const program = await compile(outputs, { threads: 2, engine });
        expect(program.engine).toBe(engine);
        return program.run(feeds);
      }),
    );
    for (const name of ['y', 'rounded'] as const) {
      expect(ours![name].shape).toEqual(theirs![name].shape);
      expect(bytesOf(ours![name]).equals(bytesOf(theirs![name]))).toBe(true);
    }
    expect(new Set(ours!.rounded.data as Int8Array).size).toBeGreaterThan(10);
  });

  it.each(ENGINES)('write into views at odd places (%s)', async (engine) => {
    const a = input('a', 'float32', ['n']);
    const outputs = {
      bytes: cast(a, 'int8'),
      flags: cast(a, 'bool'),
      longs: cast(input('b', 'uint8', ['n']), 'int64'),
    };
    const program = await compile(outputs, { threads: 1, engine });
    const small = new Int8Array(12).fill(9);
    const flags = new Uint8Array(12).fill(9);
    const longs = new BigInt64Array(6).fill(9n);
    const into = {
      bytes: { data: small.subarray(5, 8), shape: [3] },
      flags: { data: flags.subarray(1, 4), shape: [3] },
      longs: { data: longs.subarray(1, 4), shape: [3] },
    };
    const fed = Uint8Array.of(0, 0, 0, 1, 2, 255).subarray(3);
    const results = await program.run({ a: vector(-1, 0, 7), b: { data: fed, shape: [3] } }, into);
    expect([...small]).toEqual([9, 9, 9, 9, 9, -1, 0, 7, 9, 9, 9, 9]);
    expect([...flags]).toEqual([9, 1, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9]);
    expect([...longs]).toEqual([9n, 1n, 2n, 255n, 9n, 9n]);
    expect(results).toEqual(into);
  });

  it.each(ENGINES)('take and return tensors of nothing, and of one number (%s)', async (engine) => {
    const x = input('x', 'float32', ['B', 7]);
    const program = await compile({ y: multiply(x, input('s', 'float32', [])), total: sum(x) }, { engine });
    const s = { data: Float32Array.of(3), shape: [] };
    const { y, total } = await program.run({ x: { data: new Float32Array(0), shape: [0, 7] }, s });
    expect(y).toEqual({ data: new Float32Array(0), shape: [0, 7] });
    expect(total).toEqual({ data: Float32Array.of(0), shape: [] });
    const place = { data: new Float32Array(0), shape: [0, 7] };
    expect((await program.run({ x: place, s }, { y: place })).y).toBe(place);
  });

  it.each(ENGINES)('pass settings on (%s)', async (engine) => {
    const y = relu(input('x', 'float32', [3]));
    const settings = { 'session.load_model_format': 'ORT' };
    expect(await refusal(() => compile({ y }, { engine, settings }), 'failed')).toMatch(
      /^compile: the engine failed/,
    );
  });

  it.each(ENGINES)('refuse to work for a program that was released (%s)', async (engine) => {
    const program = await compile({ y: relu(input('x', 'float32', [3])) }, { engine });
    await program.release();
    expect(await refusal(() => program.run({ x: floats(3) }), 'failed')).toBe(
      'run: the engine failed: Session already disposed.',
    );
  });
});

describe('a native run', () => {
  it('leaves the event loop to others', async () => {
    const { run, release } = await longProgram();
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    expect(await run()).toBe(1);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
    await release();
  });

  it('leaves it to others between runs that are too small to leave the thread', async () => {
    const program = await compile({ y: relu(input('x', 'float32', [3])) }, { threads: 1 });
    const rings: number[] = [];
    const timer = setInterval(() => rings.push(1), 1);
    for (const end = performance.now() + 50; performance.now() < end;) await program.run({ x: floats(3) });
    clearInterval(timer);
    expect(rings.length).toBeGreaterThan(2);
  });

  it('holds its arrays until it is over', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { run, release } = await longProgram();
    let collections = 0;
    const timer = setInterval(() => {
      collect();
      collections += 1;
      // What was freed would be given to these.
      for (let i = 0; i < 4; i++) new Float32Array(1200 * 1200).fill(7);
    }, 5);
    expect(await run()).toBe(1);
    clearInterval(timer);
    expect(collections).toBeGreaterThan(2);
    await release();
  });

  it('takes place beside others, of its program and of another', async () => {
    const [long, other] = await Promise.all([longProgram(), longProgram()]);
    expect(await Promise.all([long.run(), other.run(), long.run(), other.run()])).toEqual([1, 1, 1, 1]);
    await Promise.all([long.release(), other.release()]);
  });

  it('is waited for when its program is released', async () => {
    const { run, release } = await longProgram();
    const order: string[] = [];
    const result = run().then((value) => {
      order.push('run');
      return value;
    });
    const released = release().then(() => order.push('release'));
    expect(await refusal(run, 'failed')).toBe('run: the engine failed: Session already disposed.');
    expect(await result).toBe(1);
    await released;
    expect(order).toEqual(['run', 'release']);
  });

  it('leaves nothing behind', async () => {
    // 64 KiB in and 64 KiB out: what one of the 2,000 runs kept would be 125 MiB in all.
    const size = 2 ** 14;
    const program = await compile({ y: relu(input('x', 'float32', ['n'])) }, { threads: 1 });
    const feeds = { x: { data: new Float32Array(size), shape: [size] } };
    const failing = await compile({ y: gather(input('t', 'float32', ['n', 1]), input('i', 'int32', [1])) });
    const wrong = {
      t: { data: feeds.x.data, shape: [size, 1] },
      i: { data: Int32Array.of(size), shape: [1] },
    };
    const repeat = async (runs: number): Promise<number> => {
      for (let i = 0; i < runs; i++) {
        await program.run(feeds);
        if (i % 4 === 0) await failing.run(wrong).catch(() => undefined);
      }
      return process.memoryUsage.rss();
    };
    const before = await repeat(500);
    expect((await repeat(2000)) - before).toBeLessThan(48 * 2 ** 20);
    await Promise.all([program.release(), failing.release()]);
  });

  it.each([false, true])('works in a thread of its own (ended without a release: %s)', async (keep) => {
    // TypeScript is read by whoever runs the tests, but not in the threads of Node 20.
    const file = new URL('./program-in-worker.ts', import.meta.url).href;
    const entry = `import('tsx/esm/api').then(({ register }) => (register(), import('${file}')))`;
    const worker = new Worker(entry, { eval: true, workerData: { keep } });
    const message = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    expect(message).toEqual({ engine: 'native', fallbackReason: undefined, first: 42, last: 42 });
    expect(await worker.terminate()).toBeTypeOf('number');
    const { run, release } = await longProgram();
    expect(await run()).toBe(1);
    await release();
  });
});

describe('where the C API cannot be called', () => {
  afterEach(() => {
    vi.doUnmock('../../src/support/foreign-functions.ts');
    vi.resetModules();
  });

  it('programs use the npm package, and tell why', async () => {
    vi.resetModules();
    vi.doMock('../../src/support/foreign-functions.ts', () => ({
      get koffi(): never {
        throw new Error('no build of koffi for this system');
      },
    }));
    const fresh = await import('../../src/runtime/index.ts');
    const program = await fresh.compile({ y: relu(input('x', 'float32', [3])) });
    expect(program.engine).toBe('binding');
    expect(program.fallbackReason).toMatchInlineSnapshot(
      `"engine: expected ONNX Runtime's C API in the library of onnxruntime-node, got no build of koffi for this system"`,
    );
    expect([...(await program.run({ x: vector(-1, 2, 3) })).y.data]).toEqual([0, 2, 3]);
    await expect(
      fresh.compile({ y: relu(input('x', 'float32', [3])) }, { engine: 'native' }),
    ).rejects.toThrow(/^engine: expected ONNX Runtime's C API/);
  });
});
