/** Peak memory of small graphs, counted by hand. */
import { describe, expect, it } from 'vitest';
import { add, after, input, linear, multiply, peakBytes, reshape, tanh } from '../../src/graph/index.ts';

const sizes = new Map([['N', 10]]);
const ROW = 4 * 10 * 8; // float32 [N, 8]
const x = input('x', 'float32', ['N', 8]);
const weight = input('weight', 'float32', [8, 8]);
const product = () => linear(x, weight);

describe('peakBytes', () => {
  it('does not count what is fed, and what is asked for', () => {
    expect(peakBytes([product()], sizes)).toBe(0);
    expect(peakBytes([linear(product(), weight)], sizes)).toBe(ROW);
  });

  it('frees a result after its last reader', () => {
    // A chain holds two at a time: what is read, and what is made.
    const chain = [1, 2, 3, 4].reduce((y) => linear(y, weight), product());
    expect(peakBytes([linear(chain, weight)], sizes)).toBe(2 * ROW);
    // Here the first of the chain is read again at its end.
    const first = product();
    const last = [1, 2, 3, 4].reduce((y) => linear(y, weight), first);
    expect(peakBytes([add(last, first)], sizes)).toBe(3 * ROW);
  });

  it('writes an elementwise result over an input that ends there', () => {
    expect(peakBytes([linear(tanh(product()), weight)], sizes)).toBe(ROW);
    const read = product();
    expect(peakBytes([linear(multiply(tanh(read), read), weight)], sizes)).toBe(2 * ROW);
  });

  it('counts views once, and for as long as either is read', () => {
    const y = product();
    const view = after(reshape(y, ['N', 2, 4]), x);
    expect(peakBytes([linear(reshape(view, ['N', 8]), weight)], sizes)).toBe(ROW);
  });

  it('adds what nodes need beside their results', () => {
    const y = product();
    const scratch = ({ op }: { readonly op: string }) => (op === 'tanh' ? 1000 : 0);
    expect(peakBytes([linear(tanh(y), weight)], sizes, scratch)).toBe(ROW + 1000);
  });
});
