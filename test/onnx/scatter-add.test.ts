/**
 * Adding rows by ids that repeat, which is the gradient of every embedding: right and the same every time, on any
 * number of threads. (`ScatterND`, the obvious lowering, is neither: docs/decisions/0004-engine-facts.md.)
 */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { add, gather, input, multiply, scatterAdd, sum } from '../../src/graph/index.ts';
import { compile, type HostTensor, type Program } from '../../src/runtime/index.ts';
import { Random } from '../../src/support/random.ts';

const ROWS = 28_996;
const COLUMNS = 48;
const IDS = 6144;
const RUNS = 25;

/** Nine in ten are one of three rows, as padding and full stops are; the others may be any. */
function crowdedIds(seed: number): Int32Array {
  const random = new Random(seed, 'ids');
  const crowded = [0, 119, ROWS - 1];
  return Int32Array.from({ length: IDS }, () =>
    random.nextFloat() < 0.9 ? crowded[random.nextInteger(3)]! : random.nextInteger(ROWS),
  );
}

function normals(length: number, seed: number): Float32Array {
  const random = new Random(seed, 'values');
  return Float32Array.from({ length }, () => random.nextNormal());
}

/** The sums in float64, and in float32 with the rows added one after the other. */
function sums(ids: Int32Array, updates: Float32Array): { exact: Float64Array; inOrder: Float32Array } {
  const exact = new Float64Array(ROWS * COLUMNS);
  const inOrder = new Float32Array(ROWS * COLUMNS);
  ids.forEach((id, i) => {
    for (let j = 0; j < COLUMNS; j++) {
      exact[id * COLUMNS + j]! += updates[i * COLUMNS + j]!;
      inOrder[id * COLUMNS + j]! += updates[i * COLUMNS + j]!;
    }
  });
  return { exact, inOrder };
}

/** Runs again and again; fails where one run differs from the first in any bit. */
async function repeated(program: Program, feeds: Record<string, HostTensor>): Promise<Float32Array> {
  const first = (await program.run(feeds))['result']!.data as Float32Array;
  const bits = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  for (let run = 1; run < RUNS; run++) {
    const { data } = (await program.run(feeds))['result']!;
    expect(bits.equals(Buffer.from(data.buffer, data.byteOffset, data.byteLength)), `run ${run}`).toBe(true);
  }
  return first;
}

const ids = crowdedIds(1);
const updates = normals(IDS * COLUMNS, 2);
const expected = sums(ids, updates);
const feeds = {
  updates: { data: updates, shape: [16, IDS / 16, COLUMNS] },
  ids: { data: ids, shape: [16, IDS / 16] },
};

describe.each([1, 2])('on %i threads', (threads) => {
  it(`scatterAdd of ids that repeat up to ${IDS / 3} times is exact and the same in ${RUNS} runs`, async () => {
    const result = scatterAdd(
      input('updates', 'float32', ['B', 'S', COLUMNS]),
      input('ids', 'int32', ['B', 'S']),
      ROWS,
    );
    const program = await compile({ result }, { threads });
    const got = await repeated(program, feeds);
    expect(Buffer.from(got.buffer).equals(Buffer.from(expected.inOrder.buffer))).toBe(true);
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.exact[i]!)), 0);
    expect(worst).toBeLessThan(1e-3);
    await program.release();
  });

  it('the gradient of a table that is read twice is the same in all runs, and the sum of both', async () => {
    const table = input('table', 'float32', [ROWS, COLUMNS]);
    const weights = input('updates', 'float32', ['B', 'S', COLUMNS]);
    const firstIds = input('ids', 'int32', ['B', 'S']);
    const secondIds = input('more', 'int32', ['B', 'S']);
    const loss = sum(multiply(add(gather(table, firstIds), gather(table, secondIds)), weights));
    const [result] = gradient(loss, [table]);
    const more = crowdedIds(3);
    const others = sums(more, updates).exact;
    const program = await compile({ result: result! }, { threads });
    expect(program.inputs.map(({ name }) => name).sort()).toEqual(['ids', 'more', 'updates']);
    const got = await repeated(program, { ...feeds, more: { data: more, shape: [16, IDS / 16] } });
    const worst = got.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - expected.exact[i]! - others[i]!)),
      0,
    );
    expect(worst).toBeLessThan(2e-3);
    await program.release();
  });
});
