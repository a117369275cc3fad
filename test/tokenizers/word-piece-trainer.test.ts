import { describe, expect, test } from 'vitest';
import {
  BertTokenizer,
  bertSpecialTokens,
  trainWordPiece,
  WordCounter,
  type TrainerEvent,
  type Vocabulary,
} from '../../src/tokenizers/index.ts';
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
const unicode = readGolden('training-unicode') as TrainingGolden;

const tokensOf = (vocabulary: Vocabulary): string[] => Array.from(vocabulary.entries(), ([token]) => token);

/** As Python sorts: by code points, not by UTF-16 units. */
const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe.each([
  { text: 'words of syllables', golden },
  { text: 'words of what normalisation drops, splits and reorders', golden: unicode },
])('learns the vocabulary that tokenizers learns: $text', ({ golden: { counts, vocabularies } }) => {
  test.each(vocabularies)(
    '$vocabSize tokens, lowercase $lowercase, frequency $minFrequency, $limitAlphabet characters',
    ({ lowercase, tokens, ...options }) => {
      const counter = new WordCounter({ lowercase });
      for (const [word, count] of Object.entries(counts)) counter.add(`${word} `.repeat(count));
      expect(tokensOf(trainWordPiece(counter.counts(), options)).sort(byCodePoint)).toEqual(tokens);
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
  expect(tokensOf(vocabulary).slice(5)).toEqual(['a', '##a', '##aa', 'aaa', 'aaaa']);
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

test('the unused entries of BERT put its special tokens where they were', () => {
  const vocabulary = trainWordPiece(new Map([['abc', 3]]), {
    vocabSize: 109,
    specialTokens: bertSpecialTokens(99),
  });
  const ids = ['[PAD]', '[unused1]', '[unused99]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a'].map((token) =>
    vocabulary.idOf(token),
  );
  expect(ids).toEqual([0, 1, 99, 100, 101, 102, 103, 104]);
});

test('tells which characters are lost, and when there is nothing left to learn', () => {
  const events: TrainerEvent[] = [];
  const counts = new Map(Object.entries({ abab: 5, '😀': 3, xy: 2 }));
  const vocabulary = trainWordPiece(counts, {
    vocabSize: 100,
    limitAlphabet: 3,
    minFrequency: 4,
    onEvent: (event) => events.push(event),
  });
  expect(tokensOf(vocabulary).slice(5)).toEqual(['a', 'b', '😀', '##a', '##b', 'ab', '##ab', 'abab']);
  expect(events.filter(({ type }) => type !== 'progress')).toEqual([
    { type: 'alphabet-limited', kept: 3, characters: 2, occurrences: 4 },
    { type: 'exhausted', tokens: 13, vocabSize: 100 },
  ]);
});
