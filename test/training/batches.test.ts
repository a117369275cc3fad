import { describe, expect, it } from 'vitest';
import { Random } from '../../src/support/random.ts';
import { epochBatches, type BatchOptions } from '../../src/training/index.ts';

const COUNT = 1003;
const random = new Random(1, 'lengths');
const lengths = Uint32Array.from({ length: COUNT }, () => 20 + random.nextInteger(365));
const everyExample = Array.from({ length: COUNT }, (_, index) => index);
const options: BatchOptions = { batchSize: 8, seed: 7, shuffle: true, groupByLength: false };

const flat = (batches: readonly Uint32Array[]): number[] => batches.flatMap((batch) => Array.from(batch));
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);
/** Which examples go together, whatever the order of the batches and within them. */
const memberships = (batches: readonly Uint32Array[]): string[] =>
  batches.map((batch) => sorted(Array.from(batch)).join()).sort();
const longestIn = (batch: Uint32Array): number => Math.max(...Array.from(batch, (index) => lengths[index]!));

describe.each([
  { shuffle: true, groupByLength: false },
  { shuffle: true, groupByLength: true },
  { shuffle: false, groupByLength: false },
  { shuffle: false, groupByLength: true },
])('batches with %o', (mode) => {
  const batches = epochBatches(lengths, 3, { ...options, ...mode });

  it('hold every example once, in full batches but for one of the remainder', () => {
    expect(sorted(flat(batches))).toEqual(everyExample);
    expect(sorted(batches.map(({ length }) => length))).toEqual([3, ...new Array<number>(125).fill(8)]);
  });

  it('are the same when drawn again', () => {
    expect(epochBatches(lengths, 3, { ...options, ...mode })).toEqual(batches);
  });
});

describe('epochBatches', () => {
  it('keeps the order of the data without shuffling, the smaller batch last', () => {
    const batches = epochBatches(lengths, 0, { ...options, shuffle: false });
    expect(flat(batches)).toEqual(everyExample);
    expect(batches.at(-1)).toHaveLength(3);
    expect(epochBatches(lengths, 1, { ...options, shuffle: false })).toEqual(batches);
  });

  it.each([false, true])(
    'draws others for another epoch and another seed (by length: %s)',
    (groupByLength) => {
      const draw = (epoch: number, seed: number): string[] =>
        memberships(epochBatches(lengths, epoch, { ...options, seed, groupByLength }));
      const first = new Set(draw(0, 7));
      for (const other of [draw(1, 7), draw(0, 8)]) {
        expect(other.filter((batch) => first.has(batch)).length).toBeLessThan(3);
      }
    },
  );

  it('shuffles without favour: each example is in each tenth of the epochs a tenth of the time', () => {
    const epochs = 400;
    const small = lengths.subarray(0, 20);
    const counts = new Array<number>(10).fill(0);
    for (let epoch = 0; epoch < epochs; epoch++) {
      const place = flat(epochBatches(small, epoch, options)).indexOf(5);
      counts[Math.floor(place / 2)]! += 1;
    }
    // 40 expected in each of ten; the 0.999 quantile of chi-square with 9 degrees of freedom.
    const chiSquare = counts.reduce((sum, count) => sum + (count - epochs / 10) ** 2 / (epochs / 10), 0);
    expect(chiSquare).toBeLessThan(27.9);
  });

  it('pads little when it groups by length, and begins with the longest example', () => {
    const padded = (groupByLength: boolean): number => {
      const batches = epochBatches(lengths, 0, { ...options, groupByLength });
      return batches.reduce((sum, batch) => sum + batch.length * longestIn(batch), 0);
    };
    const needed = lengths.reduce((a, b) => a + b, 0);
    expect(padded(false) / needed).toBeGreaterThan(1.5);
    expect(padded(true) / needed).toBeLessThan(1.15);
    const first = epochBatches(lengths, 0, { ...options, groupByLength: true })[0]!;
    expect(longestIn(first)).toBe(Math.max(...lengths));
  });

  it('groups by length without lengths coming in waves', () => {
    const peaks = epochBatches(lengths, 0, { ...options, groupByLength: true })
      .slice(1)
      .map(longestIn);
    const rises = peaks.filter((peak, i) => i > 0 && peak > peaks[i - 1]!).length;
    expect(rises / peaks.length).toBeGreaterThan(0.35);
    expect(rises / peaks.length).toBeLessThan(0.65);
  });

  it('mixes examples of one length anew each epoch', () => {
    const alike = new Uint32Array(64).fill(384);
    const draw = (epoch: number): string[] =>
      memberships(epochBatches(alike, epoch, { ...options, groupByLength: true }));
    expect(draw(0)).not.toEqual(draw(1));
  });

  it('mixes examples of like lengths anew each epoch in a small data set too', () => {
    const small = lengths.subarray(0, 64);
    const draw = (epoch: number): string[] =>
      memberships(epochBatches(small, epoch, { ...options, groupByLength: true }));
    expect(draw(0)).not.toEqual(draw(1));
  });

  it.each([1, 7, 8, 9])('serves %i examples', (count) => {
    for (const groupByLength of [false, true]) {
      const batches = epochBatches(lengths.subarray(0, count), 0, { ...options, groupByLength });
      expect(sorted(flat(batches))).toEqual(everyExample.slice(0, count));
    }
  });
});
