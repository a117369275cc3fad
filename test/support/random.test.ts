import { describe, expect, it } from 'vitest';
import { Random, philox2x32 } from '../../src/support/random.ts';

describe('philox2x32', () => {
  // The known-answer vectors that Random123 publishes (kat_vectors, philox2x32 with 10 rounds).
  it.each([
    [0x00000000, 0x00000000, 0x00000000, 0xff1dae59, 0x6cd10df2],
    [0xffffffff, 0xffffffff, 0xffffffff, 0x2c3f628b, 0xab4fd7ad],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0xdd7ce038, 0xf62a4c12],
  ])('maps (%#) counters and key to the published words', (c0, c1, key, w0, w1) => {
    expect(philox2x32(c0, c1, key)).toEqual([w0, w1]);
  });
});

describe('Random', () => {
  it('continues a stream from its position', () => {
    const whole = new Random(7, 'a');
    const drawn = Array.from({ length: 10 }, () => whole.nextUint32());
    const first = new Random(7, 'a');
    for (let i = 0; i < 4; i++) first.nextUint32();
    const resumed = new Random(7, 'a', first.position);
    expect(Array.from({ length: 6 }, () => resumed.nextUint32())).toEqual(drawn.slice(4));
  });

  it('gives other draws for another stream, another seed, and a seed that differs only above 32 bits', () => {
    const draws = [
      new Random(1, 'a'),
      new Random(1, 'b'),
      new Random(2, 'a'),
      new Random(1 + 2 ** 32, 'a'),
    ].map((random) => random.nextUint32());
    expect(new Set(draws).size).toBe(4);
  });

  it('is uniform over a bound that is no power of two (chi-squared, 6 degrees of freedom, p > 0.001)', () => {
    const random = new Random(3);
    const counts = new Array<number>(7).fill(0);
    const n = 70_000;
    for (let i = 0; i < n; i++) counts[random.nextInteger(7)]! += 1;
    const chiSquared = counts.reduce((sum, count) => sum + (count - n / 7) ** 2 / (n / 7), 0);
    expect(chiSquared).toBeLessThan(22.46);
  });

  it('draws normals of mean 0 and deviation 1', () => {
    const random = new Random(5);
    const draws = Array.from({ length: 50_000 }, () => random.nextNormal());
    const mean = draws.reduce((a, b) => a + b) / draws.length;
    const deviation = Math.sqrt(draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length);
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(deviation - 1)).toBeLessThan(0.02);
  });

  it('shuffles into a permutation', () => {
    const shuffled = new Random(9).shuffle(Array.from({ length: 100 }, (_, i) => i));
    expect([...shuffled].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(shuffled.slice(0, 5)).not.toEqual([0, 1, 2, 3, 4]);
  });
});
