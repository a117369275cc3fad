import { describe, expect, test } from 'vitest';
import { BertTokenizer, Vocabulary } from '../../src/tokenizers/index.ts';
import { smallVocabulary } from './golden.ts';

describe('a malformed vocab.txt gives one line', () => {
  test.each([
    ['empty', '', 'vocab.txt: expected one token a line, got an empty file'],
    [
      'binary',
      'PK\u0003\u0004\0\0',
      'vocab.txt: expected text, one token a line, got binary data (a NUL at character 4)',
    ],
    ['with CR LF', '[PAD]\r\n[UNK]\r\n', 'vocab.txt line 1: expected a line that ends in LF, got CR LF'],
    [
      'with a byte order mark',
      '\uFEFF[PAD]\n',
      'vocab.txt: expected text without a byte order mark, got one at its start',
    ],
    ['with a blank line', '[PAD]\n\n[UNK]\n', 'vocab.txt line 2: expected a token, got a blank line'],
    [
      'with a line twice',
      '[UNK]\na\nb\na\n',
      'vocab.txt line 4: expected each token once, got "a", also on line 2',
    ],
    ['without [UNK]', '[CLS]\n[SEP]\n', 'vocab.txt: expected a [UNK] token, got 2 tokens without it'],
    ['without [CLS]', '[UNK]\n[SEP]\na\n', 'vocab.txt: expected a [CLS] token, got 3 tokens without it'],
    ['without [SEP]', '[UNK]\n[CLS]\n', 'vocab.txt: expected a [SEP] token, got 2 tokens without it'],
  ])('%s', (_, text, message) => {
    expect(() => BertTokenizer.fromVocab(text)).toThrow(
      expect.objectContaining({ name: 'BertramError', code: 'bad-input', message }),
    );
  });

  test('that says which file', () => {
    expect(() => BertTokenizer.fromVocab('', {}, 'models/x/vocab.txt')).toThrow(/^models\/x\/vocab\.txt: /);
  });
});

test('round trip', () => {
  const vocabulary = Vocabulary.parse(smallVocabulary);
  expect(vocabulary.toString()).toBe(smallVocabulary);
  expect(vocabulary.size).toBe(vocabulary.count);
  expect(vocabulary.tokenOf(vocabulary.idOf('[MASK]')!)).toBe('[MASK]');
});

test('the last line needs no line end', () => {
  expect(Vocabulary.parse('a\nb').idOf('b')).toBe(1);
});

test('an id without a token is refused', () => {
  const vocabulary = new Vocabulary(new Map([['a', 0], ['b', 2]])); // prettier-ignore
  expect(vocabulary.size).toBe(3);
  for (const id of [1, 3, -1, 0.5]) {
    expect(() => vocabulary.tokenOf(id)).toThrow(`expected an id below 3 that has a token, got ${id}`);
  }
});

test.each([
  [new Map<string, number>(), 'vocabulary: expected at least one token, got none'],
  [new Map([['a', -1]]), 'vocabulary: expected an id from 0 to 65551 for "a", got -1'],
  [new Map([['a', 2 ** 31]]), 'vocabulary: expected an id from 0 to 65551 for "a", got 2147483648'],
  [new Map([['a', 1], ['b', 1]]), 'vocabulary: expected distinct ids, got 1 for "a" and "b"'], // prettier-ignore
])('ids that make no vocabulary: %#', (ids, message) => {
  expect(() => new Vocabulary(ids)).toThrow(message);
});

test('[PAD] and [MASK] are missed only when asked for', () => {
  const tokenizer = BertTokenizer.fromVocab('[UNK]\n[CLS]\n[SEP]\n');
  expect(() => tokenizer.maskId).toThrow('vocabulary: expected a [MASK] token, got 3 tokens without it');
  expect(() => tokenizer.padId).toThrow('[PAD]');
});
