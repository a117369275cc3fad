/** `bertram fill-mask` and `bertram next-sentence`: what they print and what they refuse. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultModelDirectory } from '../../src/pipelines/index.ts';
import { writeTinyModel } from '../pipelines/tiny-model.ts';
import { run, runJson } from './captured-terminal.ts';

/** Made by transformers (scripts/golden/pretraining_heads.py): single letters as pieces, 40 positions, both heads. */
const model = 'test/golden/pipelines';

interface Golden {
  readonly masks: { text: string; blanks: { ids: number[]; scores: number[] }[] }[];
  readonly words: { text: string; words: { ids: number[]; word: string; score: number }[] }[];
  readonly pairs: { first: string; second: string; logits: number[]; scores: number[] }[];
}
const golden = JSON.parse(await readFile(join(model, 'pretraining-heads.json'), 'utf8')) as Golden;
const vocabulary = (await readFile(join(model, 'vocab.txt'), 'utf8')).split('\n');

const close = (value: number): number => expect.closeTo(value, 5) as number;

describe('fill-mask', () => {
  const fillMask = (text: string, ...options: string[]) => [
    'fill-mask',
    '--model',
    model,
    '--text',
    text,
    ...options,
  ];

  it.each(golden.masks)('--json of single masks: $text', async ({ text, blanks }) => {
    const lists = blanks.map(({ ids, scores }) =>
      ids.slice(0, 5).map((id, i) => ({ token: vocabulary[id], id, score: close(scores[i]!) })),
    );
    expect(await runJson(fillMask(text, '--json'))).toEqual(lists.length === 1 ? lists[0] : lists);
  });

  it('--json of masks that are one word: tokens, ids and the word', async () => {
    const { text, words } = golden.words[0]!;
    const found = (await runJson(fillMask(text, '--json', '--top_k=60'))) as object[];
    expect(found[0]).toEqual({
      tokens: words[0]!.ids.map((id) => vocabulary[id]),
      ids: words[0]!.ids,
      word: words[0]!.word,
      score: close(words[0]!.score),
    });
  });

  it('lines of score, word, and pieces where there are several', async () => {
    const { out, err } = await run(fillMask('[MASK][MASK] [MASK]', '--top-k', '2'));
    expect(err).toBe('');
    const piece = String.raw`0\.\d{4}\t\S+`;
    const word = String.raw`${piece}\t\S+ ##\S+`;
    expect(out).toMatch(new RegExp(`^${word}\n${word}\n\n${piece}\n${piece}\n$`));
  });

  it('warns of a mask that touches a word', async () => {
    const { exitCode, err } = await run(fillMask('un[MASK]', '--json'));
    expect({ exitCode, err }).toEqual({
      exitCode: 0,
      err: 'warning: the [MASK] at 2 touches a word, which is read as one of its own\n',
    });
  });
});

describe('next-sentence', () => {
  const [{ first, second, scores, logits }] = golden.pairs as [Golden['pairs'][number]];
  const nextSentence = ['next-sentence', '--model', model, '--first', first, '--second', second];

  it('--json', async () => {
    expect(await runJson([...nextSentence, '--json'])).toEqual({
      is_next: close(scores[0]!),
      is_random: close(scores[1]!),
      logits: logits.map(close),
    });
  });

  it('two lines', async () => {
    const [isNext, isRandom] = scores.map((score) => score.toFixed(4));
    expect((await run(nextSentence)).out).toBe(`${isNext!}\tis next\n${isRandom!}\tis from elsewhere\n`);
  });
});

describe('refusals: one line, exit status 2', () => {
  const pair = (first: string, second: string) => ['next-sentence', '--first', first, '--second', second];
  const fill = (text: string, ...options: string[]) => ['fill-mask', '--text', text, ...options];
  const long = Array.from({ length: 38 }, () => 'a').join(' ');

  it.each<[args: string[], message: string]>([
    [['fill-mask'], 'expected --text <text>, got none'],
    [fill('a [MASK]', '--top-k', '0'), '--top-k: expected a whole number from 1, got "0"'],
    [fill('a b.'), 'text: expected a text with [MASK], got "a b."'],
    [fill('a [mask] [MASK b'), 'text: expected a text with [MASK], got "a [mask] [MASK b"'],
    [fill(''), 'text: expected a text with [MASK], got ""'],
    [fill(`[MASK] ${long}`), 'text: expected at most 38 pieces, got 39'],
    [['next-sentence', '--first', 'a'], 'expected --second <text>, got none'],
    [pair('a', ' \u200b'), 'second: expected a text with something to read, got " \u200b"'],
    [pair('', 'a'), 'first: expected a text with something to read, got ""'],
    [pair(long, 'a'), 'first and second: expected at most 37 pieces together, got 38 and 1'],
  ])('%j', async (args, message) => {
    const { exitCode, out, err } = await run([...args, '--model', model]);
    expect({ exitCode, out, err }).toEqual({
      exitCode: 2,
      out: '',
      err: `bertram ${args[0]!}: ${message}\n`,
    });
  });

  it('what fits exactly is read', async () => {
    expect((await run([...fill(`[MASK] ${long.slice(2)}`), '--model', model])).exitCode).toBe(0);
    expect((await run([...pair(long.slice(4), 'b'), '--model', model])).exitCode).toBe(0);
  });

  it.each<[args: string[], message: RegExp]>([
    [
      fill('a [MASK]'),
      /^bertram fill-mask: DIR: expected all \d+ parameters, got none for cls\.predictions\.transform\.dense\.weight, cls\.predictions\.transform\.dense\.bias, cls\.predictions\.transform\.LayerNorm\.weight and 2 more\n$/,
    ],
    [
      pair('a', 'b'),
      /^bertram next-sentence: DIR: expected all \d+ parameters, got none for bert\.pooler\.dense\.weight, bert\.pooler\.dense\.bias, cls\.seq_relationship\.weight and 1 more\n$/,
    ],
  ])('a model without the head, such as the one that ships: %j', async (args, message) => {
    for (const other of [undefined, await writeTinyModel()]) {
      const { exitCode, out, err } = await run([...args, ...(other === undefined ? [] : ['--model', other])]);
      expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
      expect(err.replace(other ?? defaultModelDirectory, 'DIR')).toMatch(message);
    }
  });
});
