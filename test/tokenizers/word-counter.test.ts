import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BasicTokenizer, WordCounter } from '../../src/tokenizers/index.ts';
import { hashWith, EMPTY_HASH, WordTable } from '../../src/tokenizers/word-table.ts';

const counted = (text: string, lowercase: boolean): Record<string, number> => {
  const counter = new WordCounter({ lowercase });
  counter.add(text);
  return Object.fromEntries(counter.counts());
};

test('counts words as the tokenizer will see them', () => {
  const counter = new WordCounter({ lowercase: true });
  counter.add('École, école!\u00a0the\u2003the\tTHE');
  counter.add('e\u0301cole 日本');
  expect(Object.fromEntries(counter.counts())).toEqual({ ecole: 3, ',': 1, '!': 1, the: 3, 日: 1, 本: 1 });
  expect(counter.occurrences).toBe(10);
});

describe('counts what the basic tokenizer finds', () => {
  /** Words, white space, what is dropped, and marks that change places; lone surrogates as well. */
  const fragment = fc.oneof(
    fc.constantFrom(
      ...['a', 'Éa', ' ', '\n', '-', '.', '日', '\u0301', '\u0316', '\u094d', '\u200b', '\ufacf', 'İ'],
    ),
    fc.constantFrom(
      ...['😀', '\ud83d', '\ude00', '\u0000', '\ufffd', '\u00a0', '한', '\u1100\u1161', 'ﬁ', '\u302e'],
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
  );
  const text = fc.array(fragment, { minLength: 100, maxLength: 300 }).map((fragments) => fragments.join(''));

  test.each([false, true])('lowercase %s', (lowercase) => {
    const tokenizer = new BasicTokenizer({ lowercase });
    fc.assert(
      fc.property(text, (text) => {
        const expected = new Map<string, number>();
        for (const { text: word } of tokenizer.words(text)) expected.set(word, (expected.get(word) ?? 0) + 1);
        expect(counted(text, lowercase)).toEqual(Object.fromEntries(expected));
      }),
      { numRuns: 60 },
    );
  });
});

test('leaves out words that are always [UNK], and says how many', () => {
  const counter = new WordCounter();
  counter.add(
    `${'a'.repeat(100)} ${'b'.repeat(101)} b ${'b'.repeat(5000)}\u200b ${'😀'.repeat(100)} ${'😀'.repeat(101)}`,
  );
  expect([...counter.counts().keys()]).toEqual(['a'.repeat(100), 'b', '😀'.repeat(100)]);
  expect(counter.leftOut).toEqual({ rareWords: 0, rareOccurrences: 0, longOccurrences: 3 });
});

describe('a bound on distinct words', () => {
  test('the rarest go, with all of their count; what is frequent keeps its own', () => {
    const counter = new WordCounter({ maxWords: 4 });
    counter.add('the the the of of a b'); // four words
    counter.add('c'); // the fifth: half of them stay
    expect(Object.fromEntries(counter.counts())).toEqual({ the: 3, of: 2 });
    counter.add('the a');
    expect(Object.fromEntries(counter.counts())).toEqual({ the: 4, of: 2, a: 1 });
    expect(counter.leftOut).toEqual({ rareWords: 3, rareOccurrences: 3, longOccurrences: 0 });
    expect(counter.occurrences).toBe(10);
  });

  test('memory stays bounded over a million distinct words', () => {
    const counter = new WordCounter({ maxWords: 1000 });
    for (let i = 0; i < 1_000_000; i += 1000) {
      const words = Array.from({ length: 1000 }, (_, j) => (i + j).toString(36));
      counter.add(`${words.join(' ')} the the`);
    }
    const counts = counter.counts();
    expect(counts.size).toBeLessThanOrEqual(1000);
    // One was lost before it had become frequent.
    expect(counts.get('the')).toBe(1999);
    const { rareWords, rareOccurrences } = counter.leftOut;
    expect(rareOccurrences).toBeGreaterThanOrEqual(rareWords);
    const kept = [...counts.values()].reduce((sum, count) => sum + count, 0);
    expect(kept + rareOccurrences).toBe(1_002_000);
  });
});

test('words of one hash are told apart', () => {
  const table = new WordTable();
  const words = ['ab', 'abc', 'b', 'ab', 'b', 'ab'].map((word) => Uint16Array.from(Buffer.from(word)));
  for (const units of words) table.add(units, units.length, 7);
  expect([...table.entries()]).toEqual([
    ['ab', 3],
    ['abc', 1],
    ['b', 2],
  ]);
  expect(hashWith(hashWith(EMPTY_HASH, 1), 2)).not.toBe(hashWith(hashWith(EMPTY_HASH, 2), 1));
});
