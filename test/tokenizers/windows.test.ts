import { describe, expect, test } from 'vitest';
import { overlappingWindows, truncatedLengths } from '../../src/tokenizers/index.ts';
import type { TruncationStrategy } from '../../src/tokenizers/index.ts';
import { Digest, readGolden, smallTokenizer } from './golden.ts';

interface WindowCase {
  readonly first: string;
  readonly second: string | null;
  readonly strategy: TruncationStrategy;
  readonly maxLength: number;
  readonly stride: number;
  readonly lengths?: number[];
  readonly digest?: string;
  readonly refused?: true;
}

const tokenizer = smallTokenizer('cased');

describe('windows over pairs, as tokenizers 0.22 has them', () => {
  test.each(readGolden('windows') as WindowCase[])(
    '$strategy to $maxLength with stride $stride: $first / $second',
    ({ first, second, refused, lengths, digest, ...options }) => {
      const encode = () => tokenizer.encodePair(first, second ?? undefined, options);
      if (refused) {
        expect(encode).toThrow(expect.objectContaining({ name: 'BertramError', code: 'bad-input' }));
        return;
      }
      const windows = encode();
      expect(windows.map((window) => window.ids.length)).toEqual(lengths);
      const got = new Digest();
      for (const { ids, tokenTypeIds, starts, ends, sequenceIds, specialTokensMask } of windows) {
        got.add(ids, tokenTypeIds, starts, ends, sequenceIds, specialTokensMask);
      }
      expect(got.toString()).toBe(digest);
    },
  );
});

test('a pair without a limit is one window', () => {
  const [window, ...others] = tokenizer.encodePair('the Paris', 'of');
  expect(others).toEqual([]);
  expect(tokenizer.tokensOf(window!.ids)).toEqual(['[CLS]', 'the', 'Paris', '[SEP]', 'of', '[SEP]']);
  expect([...window!.tokenTypeIds]).toEqual([0, 0, 0, 0, 1, 1]);
  expect([...window!.sequenceIds]).toEqual([-1, 0, 0, -1, 1, -1]);
  expect([...window!.specialTokensMask]).toEqual([1, 0, 0, 1, 0, 1]);
  expect([...window!.ends]).toEqual([0, 3, 9, 0, 2, 0]);
});

test.each([
  [{ maxLength: 4 }, 'maxLength: expected an integer of at least 5, got 4'],
  [{ maxLength: 7.5 }, 'maxLength: expected an integer of at least 5, got 7.5'],
  [{ maxLength: NaN }, 'maxLength: expected an integer of at least 5, got NaN'],
  [{ maxLength: 8, stride: -1 }, 'stride: expected an integer of at least 0, got -1'],
  [{ maxLength: 7, stride: 2 }, 'truncation: expected a stride below the 2 pieces of a window, got 2'],
  [
    { maxLength: 7, strategy: 'only_second' as const },
    'truncation only_second: expected room for a piece of the second sequence (3 pieces), got 4 places, 5 of them taken by the other',
  ],
])('impossible options are refused: %o', (options, message) => {
  expect(() => tokenizer.encodePair('the of the of the', 'the of the', options)).toThrow(message);
});

test('truncation of one text by only_second is refused', () => {
  expect(() => truncatedLengths(9, undefined, 4, 'only_second')).toThrow(
    'truncation only_second: expected a second sequence, got none',
  );
});

test('the windows of ten pieces', () => {
  expect(overlappingWindows(10, 4, 1)).toEqual([[0, 4], [3, 7], [6, 10]]); // prettier-ignore
  expect(overlappingWindows(10, 10, 1)).toEqual([[0, 10]]);
  expect(overlappingWindows(0, 4, 1)).toEqual([[0, 0]]);
});
