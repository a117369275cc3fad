/** Masks are random numbers, so they are judged by statistics: of as many draws as make a rate wrong by 1% stand out. */
import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { DropoutSite } from '../../src/nn/index.ts';
import { DropoutMasks } from '../../src/training/index.ts';

const sizesOf = (n: number): ReadonlyMap<string, number> => new Map([['B', n]]);
const site = (rate: number, index = 0): DropoutSite => ({ name: `dropout.${index}`, shape: ['B'], rate });

/** A copy of one site's mask. */
function draw(masks: DropoutMasks, step: number, n: number, index = 0): Uint8Array {
  return Uint8Array.from(masks.draw(step, sizesOf(n))[`dropout.${index}`]!.data as Uint8Array);
}

/** Where a mask drops; `indexOf` searches in native code. */
function placesDropped(mask: Uint8Array): number[] {
  const places: number[] = [];
  const bytes = Buffer.from(mask.buffer, mask.byteOffset, mask.length);
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) places.push(at);
  return places;
}

function countDropped(mask: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < mask.length; i++) count += 1 - mask[i]!;
  return count;
}

/** How many standard deviations a count of successes lies from what n trials of probability p give on average. */
const deviations = (count: number, n: number, p: number): number =>
  (count - n * p) / Math.sqrt(n * p * (1 - p));

describe('dropout masks', () => {
  it.each([
    { rate: 0.1, n: 5e6, steps: 4 },
    { rate: 0.5, n: 5e6, steps: 1 },
    { rate: 0.9, n: 1e6, steps: 1 },
    { rate: 0.001, n: 2.5e7, steps: 16 },
  ])('drop $rate of all numbers, and hold zeros and ones only', ({ rate, n, steps }) => {
    const masks = new DropoutMasks([site(rate)], 3);
    let count = 0;
    for (let step = 0; step < steps; step++) {
      const mask = masks.draw(step, sizesOf(n))['dropout.0']!.data as Uint8Array;
      count += rate < 0.01 ? placesDropped(mask).length : countDropped(mask);
      expect(Math.max(...mask.subarray(0, 1000), ...mask.subarray(-1000))).toBe(1);
    }
    expect(Math.abs(deviations(count, n * steps, rate))).toBeLessThan(4);
    // The bound is tight: a rate wrong by one per cent would be outside.
    expect(Math.abs(deviations(n * steps * rate * 1.01, n * steps, rate))).toBeGreaterThan(6);
  });

  it.each([0.1, 0.5])('drop neighbours independently at rate %d', (rate) => {
    const n = 2e6;
    const mask = draw(new DropoutMasks([site(rate)], 5), 0, n);
    for (const lag of [1, 2, 3, 7, 64, 768]) {
      let both = 0;
      for (let i = lag; i < n; i++) both += Number(mask[i]! + mask[i - lag]! === 0);
      // Pairs overlap, which makes their count's variance this much larger.
      const inflation = 1 + (2 * rate) / (1 + rate);
      const score = deviations(both, n - lag, rate ** 2) / Math.sqrt(inflation);
      expect(Math.abs(score), `lag ${lag}`).toBeLessThan(4);
    }
  });

  it('leave gaps of geometric distribution', () => {
    const rate = 0.1;
    const counts = new Array<number>(41).fill(0);
    let previous = -1;
    let gaps = 0;
    for (const at of placesDropped(draw(new DropoutMasks([site(rate)], 8), 1, 2e6))) {
      counts[Math.min(40, at - previous - 1)]! += 1;
      previous = at;
      gaps += 1;
    }
    const expected = counts.map((_, gap) => gaps * (gap < 40 ? rate : 1) * (1 - rate) ** gap);
    const chiSquare = counts.reduce(
      (sum, count, gap) => sum + (count - expected[gap]!) ** 2 / expected[gap]!,
      0,
    );
    // The 0.999 quantile with 40 degrees of freedom.
    expect(chiSquare).toBeLessThan(73.4);
  });

  it('drop the first and the last number as often as others', () => {
    const masks = new DropoutMasks([site(0.3)], 2);
    const steps = 3000;
    let first = 0;
    let last = 0;
    for (let step = 0; step < steps; step++) {
      const mask = masks.draw(step, sizesOf(9))['dropout.0']!.data as Uint8Array;
      first += 1 - mask[0]!;
      last += 1 - mask[8]!;
    }
    expect(Math.abs(deviations(first, steps, 0.3))).toBeLessThan(4);
    expect(Math.abs(deviations(last, steps, 0.3))).toBeLessThan(4);
  });

  it('are independent between sites, steps and seeds', () => {
    const n = 1e6;
    const rate = 0.1;
    const sites = [site(rate, 0), site(rate, 1)];
    const masks = new DropoutMasks(sites, 9);
    const one = draw(masks, 4, n);
    const others = {
      'another site': draw(masks, 4, n, 1),
      'another step': draw(masks, 5, n),
      'another seed': draw(new DropoutMasks(sites, 10), 4, n),
      'a seed that differs above 32 bits': draw(new DropoutMasks(sites, 9 + 2 ** 32), 4, n),
    };
    for (const [name, other] of Object.entries(others)) {
      let both = 0;
      for (let i = 0; i < n; i++) both += Number(one[i]! + other[i]! === 0);
      expect(Math.abs(deviations(both, n, rate ** 2)), name).toBeLessThan(4);
    }
  });

  it('are a function of seed, step and site, whatever was drawn before', () => {
    const sites = [site(0.1, 0), site(0.4, 1)];
    const both = (masks: DropoutMasks): string[] =>
      [0, 1].map((index) => Buffer.from(draw(masks, 7, 5000, index)).toString('hex'));
    const masks = new DropoutMasks(sites, 42);
    const expected = both(masks);
    masks.draw(3, sizesOf(20_000));
    expect(both(masks)).toEqual(expected);
    const resumed = new DropoutMasks(sites, 42);
    expect(both(resumed)).toEqual(expected);
    // A shorter mask is the beginning of a longer one.
    expect(expected[1]!.startsWith(Buffer.from(draw(resumed, 7, 300, 1)).toString('hex'))).toBe(true);
  });

  it('stay as they are from version to version, so that old checkpoints resume', () => {
    // The key is the seed as a float64, the counter step and site as 32-bit words, each 16 bits of the stream one gap.
    const key = Buffer.from('4045000000000000' + '00'.repeat(8), 'hex'); // 42
    const counter = Buffer.from('00000007' + '00000001' + '00'.repeat(8), 'hex');
    const stream = createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(40));
    const places: number[] = [];
    let place = -1;
    for (let i = 0; i < 20; i++) {
      // The gap before which the distribution function of a geometric one passes the draw.
      const uniform = (stream.readUInt16LE(2 * i) + 0.5) / 65536;
      let gap = 0;
      for (let reached = 0.25; reached < uniform; reached += 0.25 * 0.75 ** gap) gap += 1;
      places.push((place += gap + 1));
    }
    const mask = draw(new DropoutMasks([site(0.1, 0), site(0.25, 1)], 42), 7, places.at(-1)! + 1, 1);
    expect(placesDropped(mask)).toEqual(places);
  });

  it('take the shape of their site', () => {
    const masks = new DropoutMasks([{ name: 'x', shape: ['B', 4, 'S', 'S'], rate: 0.2 }], 1);
    const { x } = masks.draw(
      0,
      new Map([
        ['B', 3],
        ['S', 5],
      ]),
    );
    expect(x!.shape).toEqual([3, 4, 5, 5]);
    expect(x!.data).toHaveLength(300);
  });
});
