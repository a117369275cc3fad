/** What attention does with padding: keys that are padding change nothing, not even a sequence of nothing else. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { attention, input, multiply, sum } from '../../src/graph/index.ts';
import type { DenseArray } from '../reference/dense-array.ts';
import { runOnEngine } from '../reference/engine-run.ts';
import { drawNormal } from '../reference/operation-cases.ts';

const BATCH = 3;
const SEQUENCE = 7;
const HIDDEN = 32;
/** The last sequence is padding throughout, as in a batch that was filled up. */
const LENGTHS = [7, 4, 0];

const shape = ['B', 'S', HIDDEN];
const [query, key, value, upstream] = ['query', 'key', 'value', 'upstream'].map((name) =>
  input(name, 'float32', shape),
);
const result = attention(query!, key!, value!, input('mask', 'int32', ['B', 'S']), 4);
const gradients = gradient(sum(multiply(result, upstream!)), [query!, key!, value!]);
const outputs = { result, dQuery: gradients[0]!, dKey: gradients[1]!, dValue: gradients[2]! };

const mask: DenseArray = {
  shape: [BATCH, SEQUENCE],
  data: Float64Array.from({ length: BATCH * SEQUENCE }, (_, i) =>
    Number(i % SEQUENCE < LENGTHS[Math.floor(i / SEQUENCE)]!),
  ),
};
const isPadding = (row: number): boolean => mask.data[row] === 0;

/** The array with its rows at padding replaced. */
const withPadding = ({ shape: sizes, data }: DenseArray, replacement: number): DenseArray => ({
  shape: sizes,
  data: data.map((number, i) => (isPadding(Math.floor(i / HIDDEN)) ? replacement : number)),
});
const rows = (array: DenseArray, choose: (row: number) => boolean): number[] =>
  [...array.data].filter((_, i) => choose(Math.floor(i / HIDDEN)));

const drawn = (seed: number): DenseArray => drawNormal([BATCH, SEQUENCE, HIDDEN], seed);
const feeds = { query: drawn(1), key: drawn(2), value: drawn(3), upstream: withPadding(drawn(4), 0), mask };

describe('padding', () => {
  it('has no influence on what is not padding, and gets no gradient', async () => {
    const got = await runOnEngine(outputs, feeds);
    const other = { ...feeds, key: withPadding(feeds.key, 50), value: withPadding(feeds.value, -50) };
    const again = await runOnEngine(outputs, other);
    const inFirstTwo = (row: number): boolean => row < 2 * SEQUENCE;
    for (const name of ['result', 'dQuery', 'dKey', 'dValue'] as const) {
      expect(rows(again[name], (row) => !isPadding(row))).toEqual(rows(got[name], (row) => !isPadding(row)));
    }
    for (const name of ['dKey', 'dValue'] as const) {
      expect(
        rows(got[name], (row) => inFirstTwo(row) && isPadding(row)).every((number) => number === 0),
      ).toBe(true);
    }
  });

  it('throughout gives the mean of the values, and no gradient from a loss that ignores it', async () => {
    const got = await runOnEngine(outputs, feeds);
    const last = (array: DenseArray): number[] => rows(array, (row) => row >= 2 * SEQUENCE);
    const values = last(feeds.value);
    const mean = Array.from({ length: HIDDEN }, (_, h) => {
      const column = values.filter((__, i) => i % HIDDEN === h);
      return column.reduce((a, b) => a + b) / SEQUENCE;
    });
    last(got.result).forEach((number, i) => expect(Math.abs(number - mean[i % HIDDEN]!)).toBeLessThan(1e-6));
    for (const name of ['dQuery', 'dKey', 'dValue'] as const) {
      expect(
        last(got[name]).every((number) => number === 0),
        name,
      ).toBe(true);
    }
  });
});
