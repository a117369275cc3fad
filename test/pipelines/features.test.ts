/** Features against the hidden states of transformers 5.17 on the same weights (scripts/golden/features.py). */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/checkpoint/index.ts';
import {
  FeatureExtractor,
  poolings,
  writeFeatureFile,
  type TextFeatures,
} from '../../src/pipelines/index.ts';
import { goldenModel, writeTinyModel } from './tiny-model.ts';

interface GoldenText {
  readonly text: string | [string, string];
  readonly tokens: string[];
  /** Of the embeddings and two layers. */
  readonly states: number[][];
  readonly cls: number[][];
  readonly mean: number[][];
}
const golden = JSON.parse(await readFile('test/golden/pipelines/features.json', 'utf8')) as {
  readonly max_seq_length: number;
  readonly texts: GoldenText[];
};
const texts = golden.texts.map(({ text }) => text);
const HIDDEN = 32;
const options = { model: goldenModel, maxSeqLength: golden.max_seq_length, threads: 1 };

async function collect(extracted: AsyncIterable<TextFeatures>): Promise<TextFeatures[]> {
  const all: TextFeatures[] = [];
  for await (const features of extracted) all.push(features);
  return all;
}

function expectClose(got: ArrayLike<number>, expected: readonly number[]): void {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs(got[i]! - value)).toBeLessThan(2e-5));
}

describe.each(poolings)('pooling %s', (pooling) => {
  const key = pooling === 'none' ? 'states' : pooling;

  it.each([
    { how: 'in one padded batch', batchSize: 8 },
    { how: 'each alone', batchSize: 1 },
  ])('equals transformers, $how', async ({ batchSize }) => {
    const layers = [-1, 0, 1, -2];
    const extractor = await FeatureExtractor.load({ ...options, layers, pooling, batchSize });
    const all = await collect(extractor.extract(texts));
    await extractor.release();
    expect(all).toHaveLength(golden.texts.length);
    all.forEach(({ tokens, layers: got }, i) => {
      const expected = golden.texts[i]!;
      expect(tokens).toEqual(expected.tokens);
      expect(got.map(({ index }) => index)).toEqual(layers);
      got.forEach(({ index, values }) => expectClose(values, expected[key].at(index)!));
    });
  });
});

it('counts the pieces that were cut', async () => {
  const extractor = await FeatureExtractor.load(options);
  const whole = await FeatureExtractor.load({ ...options, maxSeqLength: 96 });
  const cut = await collect(extractor.extract(texts));
  const uncut = await collect(whole.extract(texts));
  cut.forEach(({ inputIds, cutPieces }, i) =>
    expect(inputIds.length + cutPieces).toBe(uncut[i]!.inputIds.length),
  );
  expect(cut.map(({ cutPieces }) => cutPieces > 0)).toEqual([false, true, true, false]);
});

it('keeps the order of texts over many chunks, and reads them only as they are needed', async () => {
  const extractor = await FeatureExtractor.load({ ...options, pooling: 'cls' });
  let read = 0;
  function* many(): Generator<string> {
    for (let i = 0; i < 900; i++) {
      read += 1;
      yield 'x'
        .repeat(i % 3 === 0 ? 30 : 1)
        .split('')
        .join(' ');
    }
  }
  let count = 0;
  for await (const { inputIds } of extractor.extract(many())) {
    expect(inputIds.length).toBe(count % 3 === 0 ? 32 : 3);
    if (count === 0) expect(read).toBeLessThan(900);
    count += 1;
  }
  expect(count).toBe(900);
});

it('is of any head and of none, and from int8', async () => {
  const directory = await writeTinyModel({ int8: true });
  const extractor = await FeatureExtractor.load({ model: directory, threads: 1, maxSeqLength: 16 });
  const [features] = await collect(extractor.extract(['a b']));
  expect(features!.layers[0]!.values.length).toBe(features!.tokens.length * HIDDEN);
});

describe('a safetensors file', () => {
  it.each(poolings)('holds the features of all texts, pooling %s', async (pooling) => {
    const path = join(await mkdtemp(join(tmpdir(), 'bertram-features-')), 'x.safetensors');
    const layers = [-2, 1, 0];
    const extractor = await FeatureExtractor.load({ ...options, layers, pooling });
    await writeFeatureFile(path, extractor.model, extractor.extract(texts));
    const source = await openSafetensors(path);
    const values = await source.readFloat32('features');
    const rows = golden.texts.map(({ tokens }) => (pooling === 'none' ? tokens.length : 1));
    const total = rows.reduce((a, b) => a + b);
    expect(source.tensors.get('features')!.shape).toEqual([total, layers.length, HIDDEN]);
    if (pooling === 'none') {
      const starts = rows.map((_, i) => rows.slice(0, i).reduce((a, b) => a + b, 0));
      expect([...((await source.read('offsets')) as Int32Array)]).toEqual([...starts, total]);
      const ids = [...((await source.read('input_ids')) as Int32Array)];
      expect(extractor.model.tokenizer.tokensOf(ids)).toEqual(golden.texts.flatMap(({ tokens }) => tokens));
    }
    let row = 0;
    for (const text of golden.texts) {
      const states = text[pooling === 'none' ? 'states' : pooling];
      for (let token = 0; token < (pooling === 'none' ? text.tokens.length : 1); token++, row++) {
        layers.forEach((layer, place) => {
          const begin = (row * layers.length + place) * HIDDEN;
          const expected = states.at(layer)!.slice(token * HIDDEN, (token + 1) * HIDDEN);
          expectClose(values.subarray(begin, begin + HIDDEN), expected);
        });
      }
    }
    await source.close();
  });
});

describe('what is wrong is refused', () => {
  it.each([
    [{ layers: [3] }, 'layers: expected numbers from -3 to 2, got 3'],
    [{ layers: [-4] }, 'layers: expected numbers from -3 to 2, got -4'],
    [{ layers: [0.5] }, 'layers: expected numbers from -3 to 2, got 0.5'],
    [{ layers: [] }, 'layers: expected one or more, got none'],
    [{ maxSeqLength: 97 }, "max_seq_length: expected at most the model's 96 positions, got 97"],
  ])('%j', async (wrong, message) => {
    await expect(FeatureExtractor.load({ ...options, ...wrong })).rejects.toThrow(message);
  });
});
