/**
 * Filled masks and judged pairs against those of transformers 5.17 on the same weights (scripts/golden/
 * pretraining_heads.py), from checkpoints with all heads, with one, and tied in every way that there is.
 */
import { copyFile, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelWeights, writeModelWeights, type TensorToWrite } from '../../src/checkpoint/index.ts';
import { FillMask, NextSentence, type FillMaskEvent } from '../../src/pipelines/index.ts';

const model = 'test/golden/pipelines';
const WORDS = 'bert.embeddings.word_embeddings.weight';
const DECODER = 'cls.predictions.decoder.weight';

interface Golden {
  readonly masks: { text: string; blanks: { ids: number[]; scores: number[] }[] }[];
  readonly words: { text: string; words: { ids: number[]; word: string; score: number }[] }[];
  readonly pairs: { first: string; second: string; logits: number[]; scores: number[] }[];
}
const golden = JSON.parse(await readFile(join(model, 'pretraining-heads.json'), 'utf8')) as Golden;

/** Ours differ by about 1e-7. */
const DIGITS = 5;

/** The model with other tensors: none where `renamed` gives no name, twice where it gives two. */
async function variant(
  renamed: (name: string) => readonly string[],
  alter?: (name: string, values: Float32Array) => void,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bertram-heads-'));
  for (const file of ['config.json', 'vocab.txt', 'tokenizer_config.json'])
    await copyFile(join(model, file), join(directory, file));
  const source = await openModelWeights(model);
  const tensors: TensorToWrite[] = [];
  for (const [stored, { shape }] of source.tensors) {
    for (const name of renamed(stored)) {
      const data = Float32Array.from(await source.readFloat32(stored));
      alter?.(name, data);
      tensors.push({ name, dtype: 'F32', shape, data });
    }
  }
  await source.close();
  await writeModelWeights(directory, tensors);
  return directory;
}

async function expectGoldenMasks(directory: string): Promise<void> {
  const fillMask = await FillMask.load({ model: directory, threads: 1 });
  for (const { text, blanks } of golden.masks) {
    const filled = await fillMask.fill({ text, topK: 7 });
    expect(filled.map(({ candidates }) => candidates.map(({ ids }) => ids[0]))).toEqual(
      blanks.map(({ ids }) => ids),
    );
    for (const [number, { start, end, candidates }] of filled.entries()) {
      expect(text.slice(start, end)).toBe('[MASK]');
      for (const [i, { score }] of candidates.entries())
        expect(score).toBeCloseTo(blanks[number]!.scores[i]!, DIGITS);
    }
  }
  await fillMask.release();
}

describe('masks, as BertForMaskedLM', () => {
  const only = (prefixes: readonly string[]) => (name: string) =>
    prefixes.some((prefix) => name.startsWith(prefix)) ? [name] : [];

  it.each<[string, () => Promise<string>]>([
    ['BertForPreTraining as transformers saves it', () => Promise.resolve(model)],
    [
      'BertForMaskedLM, without pooler and the other head',
      () => variant(only(['bert.embeddings.', 'bert.encoder.', 'cls.predictions.'])),
    ],
    [
      'the decoder stored beside the embeddings',
      () => variant((name) => (name === WORDS ? [name, DECODER] : [name])),
    ],
    ['the decoder stored instead of them', () => variant((name) => (name === WORDS ? [DECODER] : [name]))],
    [
      'its bias under both names',
      () =>
        variant((name) =>
          name === 'cls.predictions.bias' ? [name, 'cls.predictions.decoder.bias'] : [name],
        ),
    ],
  ])('%s', async (_, directory) => {
    await expectGoldenMasks(await directory());
  });

  it('a decoder of its own is refused: it is not what BERT computes with', async () => {
    const directory = await variant(
      (name) => (name === WORDS ? [name, DECODER] : [name]),
      (name, values) => {
        if (name === DECODER) values[7]! += 1;
      },
    );
    await expect(FillMask.load({ model: directory })).rejects.toThrow(
      `${directory}/model.safetensors: expected "${DECODER}" to repeat "${WORDS}", to which BERT ties it, got other values`,
    );
  });
});

describe('words of several masks', () => {
  it.each(golden.words)(
    '$text: the best of all words that the tokenizer cuts so',
    async ({ text, words }) => {
      const fillMask = await FillMask.load({ model, threads: 1 });
      // With so many beams nothing that could become one of the best ten is lost.
      const [blank] = await fillMask.fill({ text, topK: 60 });
      const best = blank!.candidates.slice(0, words.length);
      expect(best.map(({ ids, word }) => ({ ids, word }))).toEqual(
        words.map(({ ids, word }) => ({ ids, word })),
      );
      for (const [i, { score }] of best.entries()) expect(score).toBeCloseTo(words[i]!.score, DIGITS);
      expect(text.slice(blank!.start, blank!.end)).toMatch(/^(\[MASK\])+$/);
      await fillMask.release();
    },
  );

  it('a word is one blank and masks apart are several; what touches a mask is told', async () => {
    const fillMask = await FillMask.load({ model, threads: 1 });
    const events: FillMaskEvent[] = [];
    const filled = await fillMask.fill(
      { text: 'a [MASK][MASK] [MASK], un[MASK]. é[MASK]', topK: 2 },
      { onEvent: (event) => events.push(event) },
    );
    expect(filled.map(({ start, end, candidates }) => [start, end, candidates[0]!.ids.length])).toEqual([
      [2, 14, 2],
      [15, 21, 1],
      [25, 31, 1],
      [34, 40, 1],
    ]);
    expect(filled.every(({ candidates }) => candidates.length === 2)).toBe(true);
    expect(events).toEqual([
      { type: 'mask-in-word', start: 25 },
      { type: 'mask-in-word', start: 34 },
    ]);
    await fillMask.release();
  });
});

it('pairs, as BertForNextSentencePrediction', async () => {
  const nextSentence = await NextSentence.load({ model, threads: 1 });
  for (const { first, second, logits, scores } of golden.pairs) {
    const { isNext, isRandom, logits: ours } = await nextSentence.score({ first, second });
    expect(isNext).toBeCloseTo(scores[0]!, DIGITS);
    expect(isRandom).toBeCloseTo(scores[1]!, DIGITS);
    ours.forEach((logit, i) => expect(logit).toBeCloseTo(logits[i]!, DIGITS));
  }
  await nextSentence.release();
});
