/** Dimensions with letters: products in normal form, their values, and broadcasting. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { broadcast, evaluateDim, product, sameShape, type Dim } from '../../src/graph/index.ts';
import { broadcastShapes } from '../reference/dense-array.ts';

/** Primes above every number drawn, so that products are equal as numbers only if they are equal as products. */
const LETTERS: ReadonlyMap<string, number> = new Map([
  ['B', 101],
  ['S', 103],
  ['P', 107],
  ['n', 109],
]);
const letter = fc.constantFrom(...LETTERS.keys());
const size = fc.integer({ min: 1, max: 12 });
/** Also products that are not in normal form, such as `S*2*B`. */
const dim: fc.Arbitrary<Dim> = fc.oneof(
  size,
  letter,
  fc
    .array(fc.oneof(size.map(String), letter), { minLength: 2, maxLength: 3 })
    .map((factors) => factors.join('*')),
);
const dims = fc.array(dim, { maxLength: 3 });
const valueOf = (factors: readonly Dim[]): number =>
  factors.reduce<number>((a, b) => a * evaluateDim(b, LETTERS), 1);

describe('product', () => {
  it.each<[Dim[], Dim]>([
    [[], 1],
    [[2, 3], 6],
    [['B', 'S'], 'B*S'],
    [['S', 2, 'B'], '2*B*S'],
    [['S*2', 'B*3'], '6*B*S'],
    [['B', 1], 'B'],
    [['B', 'B'], 'B*B'],
    [['B', 0], 0],
  ])('of %j is %j', (factors, expected) => {
    expect(product(factors)).toBe(expected);
  });

  it('has the value of its factors', () => {
    fc.assert(
      fc.property(dims, (factors) => {
        fc.pre(Number.isSafeInteger(valueOf(factors)));
        expect(evaluateDim(product(factors), LETTERS)).toBe(valueOf(factors));
      }),
    );
  });

  it('is the same exactly for products of the same value', () => {
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        fc.pre(Number.isSafeInteger(valueOf(a)) && Number.isSafeInteger(valueOf(b)));
        expect(product(a) === product(b)).toBe(valueOf(a) === valueOf(b));
      }),
    );
  });

  it('does not depend on order or grouping', () => {
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        fc.pre(Number.isSafeInteger(valueOf([...a, ...b])));
        const whole = product([...a, ...b]);
        expect(product([...b, ...a])).toBe(whole);
        expect(product([product(a), product(b)])).toBe(whole);
        expect(product([whole])).toBe(whole);
      }),
    );
  });
});

describe('evaluateDim', () => {
  it('names the letter that is not bound', () => {
    expect(() => evaluateDim('2*B*T', LETTERS)).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: dimension 2*B*T: T is not bound by any input of the program]`,
    );
  });
});

describe('broadcast', () => {
  const shape = fc.array(fc.constantFrom<Dim>(1, 2, 7, 'B', 'S'), { maxLength: 4 });

  it('does not depend on order, and leaves a shape with itself as it is', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        expect(broadcast(a, b)).toEqual(broadcast(b, a));
        expect(broadcast(a, a)).toEqual(a);
      }),
    );
  });

  it('is what numpy does with the sizes', () => {
    const sizes = fc.array(fc.constantFrom(1, 2, 7), { maxLength: 4 });
    fc.assert(
      fc.property(sizes, sizes, (a, b) => {
        let expected: number[] | undefined;
        try {
          expected = broadcastShapes(a, b);
        } catch {
          expected = undefined;
        }
        expect(broadcast(a, b)).toEqual(expected);
      }),
    );
  });

  it('takes a letter for equal only to itself', () => {
    expect(broadcast(['B', 4], ['S', 4])).toBeUndefined();
    expect(broadcast(['B', 4], [13, 4])).toBeUndefined();
    expect(broadcast(['B', 1], ['S'])).toEqual(['B', 'S']);
    expect(sameShape(['B', 4], ['B', 4])).toBe(true);
    expect(sameShape(['B', 4], ['B'])).toBe(false);
  });
});
