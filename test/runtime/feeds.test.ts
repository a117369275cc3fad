/** What programs take: every input, nothing else, in the type and sizes declared, and in place. */
import { beforeAll, describe, expect, it } from 'vitest';
import { add, cast, input, multiply, reshape, sum, type Shape, type Tensor } from '../../src/graph/index.ts';
import { compile, type Feeds, type Program } from '../../src/runtime/index.ts';
import { floats, refusal, vector } from './host-arrays.ts';

const x = (shape: Shape = ['B', 7]): Tensor => input('x', 'float32', shape);

describe('feeds', () => {
  const ids = input('ids', 'int32', ['B', 'S']);
  const y = add(sum(input('a', 'float32', ['B', 'S', 7])), cast(sum(ids), 'float32'));
  let program: Program;
  beforeAll(async () => {
    program = await compile({ y }, { threads: 1 });
  });
  const run = (feeds: Record<string, unknown>): Promise<unknown> => program.run(feeds as Feeds);
  const a = floats(2, 3, 7);
  const fed = { data: new Int32Array(6), shape: [2, 3] };

  it('are complete', async () => {
    expect(await refusal(() => run({ a }))).toMatchInlineSnapshot(`"run: expected an input ids, got none"`);
  });

  it('hold nothing that is not taken', async () => {
    expect(await refusal(() => run({ a, ids: fed, token_type_ids: fed }))).toMatchInlineSnapshot(
      `"run: expected an input of the program (ids, a), got token_type_ids"`,
    );
    const many = Array.from({ length: 30 }, (_, i) => input(`p${i}`, 'float32', []));
    const large = await compile({ y: many.reduce((total, next) => add(total, next)) });
    expect(await refusal(() => large.run({ q: floats() }))).toMatchInlineSnapshot(
      `"run: expected an input of the program (p0, p1, p2, p3, p4, p5, p6, p7, … 30 in all), got q"`,
    );
  });

  it('have one size for a letter', async () => {
    const three = { data: new Int32Array(8), shape: [2, 4] };
    expect(await refusal(() => run({ a, ids: three }))).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 4, got Float32Array of 42 as [2, 3, 7]"`,
    );
  });

  it('have the size, rank and array that was declared', async () => {
    expect(await refusal(() => run({ a: floats(2, 3, 8), ids: fed }))).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 3, got Float32Array of 48 as [2, 3, 8]"`,
    );
    expect(await refusal(() => run({ a: floats(6, 7), ids: fed }))).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 3, got Float32Array of 42 as [6, 7]"`,
    );
    expect(await refusal(() => run({ a, ids: floats(2, 3) }))).toMatchInlineSnapshot(
      `"run: input ids: expected int32[B, S], got Float32Array of 6 as [2, 3]"`,
    );
    expect(
      await refusal(() => run({ a: { data: a.data, shape: [2, 4, 7] }, ids: fed })),
    ).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 3, got Float32Array of 42 as [2, 4, 7]"`,
    );
  });

  it('are typed arrays with a shape', async () => {
    expect(await refusal(() => run({ a: a.data, ids: fed }))).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 3, got undefined as undefined"`,
    );
    expect(await refusal(() => run({ a: { data: [1, 2], shape: [2] }, ids: fed }))).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 3, got object as [2]"`,
    );
    expect(await refusal(() => run({ a: { data: a.data }, ids: fed }))).toMatchInlineSnapshot(
      `"run: input a: expected float32[B, S, 7] with B = 2, S = 3, got Float32Array of 42 as undefined"`,
    );
  });

  it('may have products of letters for axes, also where the letters come later', async () => {
    const rows = input('rows', 'float32', ['B*S', 7]);
    const back = reshape(rows, ['B', 'S', 7]);
    const sized = await compile({ y: add(back, input('a', 'float32', ['B', 'S', 7])) }, { threads: 1 });
    expect((await sized.run({ rows: floats(6, 7), a })).y.shape).toEqual([2, 3, 7]);
    expect(await refusal(() => sized.run({ rows: floats(5, 7), a }))).toMatchInlineSnapshot(
      `"run: input rows: expected float32[B*S, 7] with B = 2, S = 3, got Float32Array of 35 as [5, 7]"`,
    );
  });

  it('are read as they are at each run', async () => {
    const doubled = await compile({ y: multiply(x([3]), 2) }, { threads: 1 });
    const values = vector(1, 2, 3);
    expect([...(await doubled.run({ x: values })).y.data]).toEqual([2, 4, 6]);
    values.data[1] = 10;
    expect([...(await doubled.run({ x: values })).y.data]).toEqual([2, 20, 6]);
  });

  it('may be views into larger arrays', async () => {
    const all = Float32Array.of(9, 9, 1, 2, 3, 9);
    const doubled = await compile({ y: multiply(x([3]), 2) }, { threads: 1 });
    expect([...(await doubled.run({ x: { data: all.subarray(2, 5), shape: [3] } })).y.data]).toEqual([
      2, 4, 6,
    ]);
  });
});

describe('large feeds', () => {
  it('and results are used in place and not copied', async () => {
    const size = 2 ** 26; // 256 MiB
    const program = await compile({ total: sum(x(['n'])) }, { threads: 1 });
    const feeds = { x: { data: new Float32Array(size).fill(1), shape: [size] } };
    const before = process.resourceUsage().maxRSS;
    const { total } = await program.run(feeds);
    const grownKiB = process.resourceUsage().maxRSS - before;
    expect(Number(total.data[0])).toBe(size);
    expect(grownKiB).toBeLessThan(128 * 1024);
    await program.release();
  });
});
