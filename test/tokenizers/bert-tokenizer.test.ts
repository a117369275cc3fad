import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BertTokenizer, Vocabulary } from '../../src/tokenizers/index.ts';
import { modes, readGolden, smallTokenizer, smallVocabulary, listed } from './golden.ts';

interface Cases {
  readonly texts: Readonly<Record<string, string>>;
  readonly modes: Readonly<Record<string, Readonly<Record<string, ExpectedCase>>>>;
}

interface ExpectedCase {
  readonly tokens: string;
  readonly starts: number[];
  readonly ends: number[];
  readonly decoded: string;
  readonly decodedWithSpecials?: string;
}

const cases = readGolden('cases') as Cases;

describe.each(Object.keys(cases.modes))('named strings, as tokenizers has them: %s', (mode) => {
  const tokenizer = smallTokenizer(mode);
  test.each(Object.entries(cases.modes[mode]!))('%s', (title, expected) => {
    const text = cases.texts[title]!;
    const { decoded, decodedWithSpecials = decoded, ...pieces } = expected;
    expect(listed(tokenizer, text)).toEqual(pieces);
    const { ids } = tokenizer.encode(text);
    expect(tokenizer.decode(ids)).toBe(decoded);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(decodedWithSpecials);
  });
});

interface AddedTokenGolden {
  readonly texts: string[];
  readonly tokenizers: {
    name: string;
    json: { model: object };
    expected: [number[], number[], number[]][];
  }[];
}

const addedTokens = readGolden('added-tokens') as AddedTokenGolden;

/** The description of a tokenizer with its vocabulary, which the golden leaves out. */
function withVocabulary(json: { model: object }): object {
  const vocab = Object.fromEntries(Vocabulary.parse(smallVocabulary).entries());
  return { ...json, model: { ...json.model, vocab } };
}

describe('added tokens of a tokenizer.json', () => {
  test.each(addedTokens.tokenizers)('$name', ({ json, expected }) => {
    const tokenizer = BertTokenizer.fromTokenizerJson(withVocabulary(json));
    const got = addedTokens.texts.map((text) => {
      const { ids, starts, ends } = tokenizer.encode(text);
      return [[...ids], [...starts], [...ends]];
    });
    expect(got).toEqual(expected);
  });
});

describe('tokenizer.json', () => {
  const { json } = addedTokens.tokenizers[1]!;

  test('is read from text as from an object', () => {
    const tokenizer = BertTokenizer.fromTokenizerJson(JSON.stringify(withVocabulary(json)));
    expect(listed(tokenizer, 'CAFÉ').tokens).toBe('cafe');
    expect(tokenizer.maskId).toBe(4);
  });

  test('without the type of its model, as files of 2020 are', () => {
    const untyped = structuredClone(withVocabulary(json)) as { model: { type?: string } };
    delete untyped.model.type;
    expect(BertTokenizer.fromTokenizerJson(untyped).clsId).toBe(2);
  });

  test.each([
    ['model', { type: 'BPE', merges: [] }, 'tokenizer.json model: expected WordPiece, got "BPE"'],
    ['model', { vocab: {}, merges: [] }, 'tokenizer.json model: expected WordPiece, got undefined'],
    [
      'normalizer',
      { type: 'Lowercase' },
      'tokenizer.json normalizer: expected BertNormalizer, got "Lowercase"',
    ],
    ['normalizer', null, 'tokenizer.json normalizer: expected BertNormalizer, got null'],
    [
      'pre_tokenizer',
      { type: 'Whitespace' },
      'tokenizer.json pre_tokenizer: expected BertPreTokenizer, got "Whitespace"',
    ],
  ])('refuses another %s by name', (part, value, message) => {
    expect(() => BertTokenizer.fromTokenizerJson({ ...withVocabulary(json), [part]: value })).toThrow(
      expect.objectContaining({ name: 'BertramError', code: 'unsupported', message }),
    );
  });

  test.each([
    ['{"model"', /^tokenizer\.json: expected JSON, got [^\n]+$/],
    ['[]', /^tokenizer\.json: expected a JSON object, got \[\]$/],
    [{ ...json, model: { type: 'WordPiece' } }, /^tokenizer\.json model\.vocab: [^\n]+$/],
    [
      { ...json, model: { ...json.model, vocab: { a: 0, b: 0 } } },
      /^tokenizer\.json model\.vocab: expected distinct ids/,
    ],
    [
      { ...json, model: { ...json.model, vocab: { '[PAD]': 7 } } },
      /^tokenizer\.json added token \[PAD\]: expected its id in the vocabulary, 7, got 0$/,
    ],
  ])('names what is malformed: %#', (content, message) => {
    expect(() => BertTokenizer.fromTokenizerJson(content)).toThrow(
      expect.objectContaining({
        name: 'BertramError',
        code: 'bad-input',
        message: expect.stringMatching(message) as string,
      }),
    );
  });
});

describe('any text', () => {
  const tokenizers = Object.keys(modes).map(smallTokenizer);
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom('a', 'é', ' ', '.', '\u0301', '\ud83d', '\ude00', '日', 'İ', '[MASK]'),
      maxLength: 40,
    }),
  );

  test('has pieces in order that lie within it', () => {
    fc.assert(
      fc.property(text, (string) => {
        for (const tokenizer of tokenizers) {
          const { ids, starts, ends } = tokenizer.encode(string);
          expect(starts.length).toBe(ids.length);
          expect(ends.length).toBe(ids.length);
          for (let i = 0; i < ids.length; i++) {
            expect(starts[i]!).toBeLessThan(ends[i]!);
            expect(starts[i]!).toBeGreaterThanOrEqual(i === 0 ? 0 : starts[i - 1]!);
            expect(ends[i]!).toBeLessThanOrEqual(string.length);
          }
        }
      }),
    );
  });

  test('has the same pieces wherever it stands', () => {
    // Blocks of the fast path end in the middle of a long text: that must not show.
    const long = 'the Paris unaffable, '.repeat(700);
    fc.assert(
      fc.property(text, (string) => {
        for (const tokenizer of tokenizers) {
          const alone = tokenizer.encode(string);
          const behind = tokenizer.encode(`${long} ${string}`);
          const first = behind.ids.length - alone.ids.length;
          expect(behind.ids.subarray(first)).toEqual(alone.ids);
          expect(behind.starts.subarray(first)).toEqual(alone.starts.map((start) => start + long.length + 1));
        }
      }),
      { numRuns: 30 },
    );
  });
});

test('a word longer than any block', () => {
  const tokenizer = BertTokenizer.fromVocab(smallVocabulary, { maxInputCharsPerWord: 1e6 });
  const { ids, ends } = tokenizer.encode(`${'a'.repeat(50_000)} b`);
  expect(ids.length).toBe(50_001);
  expect([ends[49_999], ends[50_000]]).toEqual([50_000, 50_002]);
  expect(smallTokenizer('cased').tokensOf(smallTokenizer('cased').encode('a'.repeat(50_000)).ids)).toEqual([
    '[UNK]',
  ]);
});

test('encodings do not share memory', () => {
  const tokenizer = smallTokenizer('cased');
  const first = tokenizer.encode('the Paris');
  tokenizer.encode('of and in');
  expect(tokenizer.tokensOf(first.ids)).toEqual(['the', 'Paris']);
});

test('knows the pieces that continue a word', () => {
  const tokenizer = smallTokenizer('cased');
  const { ids } = tokenizer.encode('unaffable');
  expect(Array.from(ids, (id) => tokenizer.isContinuation(id))).toEqual([false, true, true]);
});
