import { describe, expect, test } from 'vitest';
import { BertTokenizer, WordCounter, trainWordPiece } from '../../src/tokenizers/index.ts';
import { readGolden } from './golden.ts';

interface TrainingGolden {
  readonly counts: Readonly<Record<string, number>>;
  readonly vocabularies: {
    readonly lowercase: boolean;
    readonly vocabSize: number;
    readonly minFrequency: number;
    readonly limitAlphabet: number;
    readonly tokens: string[];
  }[];
}

const golden = readGolden('training') as TrainingGolden;

describe('learns the vocabulary that tokenizers learns', () => {
  test.each(golden.vocabularies)(
    '$vocabSize tokens, lowercase $lowercase, frequency $minFrequency, $limitAlphabet characters',
    ({ lowercase, tokens, ...options }) => {
      const counter = new WordCounter({ lowercase });
      for (const [word, count] of Object.entries(golden.counts)) counter.add(`${word} `.repeat(count));
      const vocabulary = trainWordPiece(counter.counts(), options);
      const byCodePoint = (a: string, b: string) => (a < b ? -1 : 1);
      expect(Array.from(vocabulary.entries(), ([token]) => token).sort(byCodePoint)).toEqual(tokens);
    },
  );
});

test('the worked example', () => {
  const counts = new Map(Object.entries({ hug: 10, pug: 5, hugs: 5 }));
  const vocabulary = trainWordPiece(counts, { vocabSize: 15 });
  expect(vocabulary.toString().trimEnd().split('\n').slice(5)).toEqual(
    'g h p s u ##g ##s ##u ##ug hug'.split(' '), // prettier-ignore
  );
});

test('stops when there is nothing left to join', () => {
  const vocabulary = trainWordPiece(new Map([['aaaa', 3]]), { vocabSize: 1000 });
  expect(Array.from(vocabulary.entries(), ([token]) => token).slice(5)).toEqual([
    'a',
    '##a',
    '##aa',
    'aaa',
    'aaaa',
  ]);
});

test('counts words as the tokenizer will see them', () => {
  const counter = new WordCounter({ lowercase: true });
  counter.add('École, école!\u00a0the\u2003the\tTHE');
  counter.add('e\u0301cole 日本');
  expect(Object.fromEntries(counter.counts())).toEqual({ ecole: 3, ',': 1, '!': 1, the: 3, 日: 1, 本: 1 });
});

test('a learnt vocabulary cuts the words it was learnt from', () => {
  const vocabulary = trainWordPiece(new Map(Object.entries(golden.counts)), { vocabSize: 200 });
  const tokenizer = new BertTokenizer(vocabulary);
  for (const word of Object.keys(golden.counts)) {
    const { ids } = tokenizer.encode(word);
    expect(tokenizer.decode(ids).replaceAll(' ', '')).toBe(word);
  }
});

test('a vocabulary too small for its characters is refused', () => {
  expect(() => trainWordPiece(new Map([['abc', 3]]), { vocabSize: 9 })).toThrow(
    'vocab_size: expected at least 10, for special tokens and characters, got 9',
  );
});
