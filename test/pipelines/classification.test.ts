/** Classifiers: transformers' own model, one that is trained on features, and one that is fine-tuned. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/checkpoint/index.ts';
import type { LabelledText } from '../../src/classification/index.ts';
import { fineTuningAdamW } from '../../src/optim/index.ts';
import {
  TextClassifier,
  trainFeatureClassifier,
  trainFineTunedClassifier,
  type TextClassification,
} from '../../src/pipelines/index.ts';
import { golden, goldenClassifier } from '../classification/golden.ts';
import { goldenModel, writeTinyModel } from './tiny-model.ts';

async function classify(
  model: string,
  texts: readonly (string | [string, string])[],
): Promise<TextClassification[]> {
  const classifier = await TextClassifier.load({ model, threads: 1 });
  const all: TextClassification[] = [];
  for await (const result of classifier.classify(texts)) all.push(result);
  await classifier.release();
  return all;
}

/** Told apart by a letter. */
const examples: LabelledText[] = Array.from({ length: 24 }, (_, i) => ({
  text: `${'xyz'[i % 3]!} ${'abcdefgh'[i % 8]!} ${i}`,
  label: ['last', 'first', 'middle'][i % 3]!,
}));
const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'bertram-classifier-'));

describe("a model of transformers'", () => {
  const { labels, texts, probabilities } = golden.sequence_classification;

  it('has its probabilities, in a padded batch and alone', async () => {
    for (const results of [
      await classify(goldenClassifier, texts),
      (await Promise.all(texts.map((text) => classify(goldenClassifier, [text])))).flat(),
    ]) {
      results.forEach(({ label, score, scores }, i) => {
        const expected = probabilities[i]!;
        expected.forEach((value, id) => expect(scores[id]).toBeCloseTo(value, 5));
        const best = expected.indexOf(Math.max(...expected));
        expect(label).toBe(labels[best]);
        expect(score).toBe(scores[best]);
      });
    }
  });

  it('tells the texts apart', () => {
    expect(new Set(probabilities.map((row) => row[0]!.toFixed(2))).size).toBeGreaterThan(2);
  });
});

describe('on frozen features', () => {
  it.each(['mean', 'cls'] as const)(
    'learns, by the %s of a layer, and leaves the encoder as it was',
    async (pooling) => {
      const model = await writeTinyModel({ int8: true });
      const outputDir = join(await temporary(), 'out');
      const features = { layer: 1, pooling };
      await trainFeatureClassifier({
        model,
        examples,
        outputDir,
        features,
        maxSeqLength: 16,
        threads: 1,
        inverseRegularization: 100,
      });
      const classifier = await TextClassifier.load({ model: outputDir, threads: 1 });
      expect(classifier.labels).toEqual(['first', 'last', 'middle']);
      const { accuracy } = await classifier.evaluate(examples);
      expect(accuracy).toBe(1);
      const [before, after] = [
        await openSafetensors(join(model, 'model.safetensors')),
        await openSafetensors(join(outputDir, 'model.safetensors')),
      ];
      for (const [name, { dtype }] of after.tensors) {
        if (name.startsWith('classifier.')) continue;
        expect(dtype).toBe(before.tensors.get(name)!.dtype);
        expect(await after.read(name)).toEqual(await before.read(name));
      }
      expect(after.tensors.has('qa_outputs.weight')).toBe(false);
    },
  );

  it('refuses the embedding of [CLS], which is the same for all texts', async () => {
    const features = { layer: 0, pooling: 'cls' } as const;
    const attempt = trainFeatureClassifier({ examples, outputDir: await temporary(), features });
    await expect(attempt).rejects.toThrow('features: layer: expected one in which [CLS] has seen its text');
  });

  it('refuses a single class', async () => {
    const same = examples.map(({ text }) => ({ text, label: 'a' }));
    const attempt = trainFeatureClassifier({
      model: goldenModel,
      examples: same,
      outputDir: await temporary(),
    });
    await expect(attempt).rejects.toThrow('training: labels: expected two or more, got a');
  });
});

describe('fine-tuned', () => {
  const training = {
    batchSize: 5,
    gradientAccumulationSteps: 1,
    epochs: 40,
    learningRate: 3e-3,
    schedule: 'linear',
    warmupSteps: 0,
    warmupRatio: 0.1,
    optimizer: fineTuningAdamW,
    maxGradNorm: 1,
    seed: 42,
    shuffle: true,
    groupByLength: true,
    loggingSteps: 0,
    saveSteps: 0,
    threads: 1,
  } as const;

  it('learns by heart, from a model without pooler and head, and keeps the labels where transformers looks', async () => {
    const outputDir = await temporary();
    await trainFineTunedClassifier({ model: goldenModel, examples, outputDir, maxSeqLength: 16, training });
    const classifier = await TextClassifier.load({ model: outputDir, threads: 1 });
    expect((await classifier.evaluate(examples)).accuracy).toBe(1);
    const config = JSON.parse(await readFile(join(outputDir, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'first', 1: 'last', 2: 'middle' },
      label2id: { first: 0, last: 1, middle: 2 },
    });
    await rm(outputDir, { recursive: true });
  });

  it('goes on from a model that has pooler and head', async () => {
    const { labels, texts } = golden.sequence_classification;
    const own = texts.map((text, i) => ({ text, label: labels[i % 3]! }));
    const outputDir = await temporary();
    const steady = { ...training, learningRate: 0, maxSteps: 1 };
    await trainFineTunedClassifier({
      model: goldenClassifier,
      examples: own,
      outputDir,
      maxSeqLength: 48,
      training: steady,
    });
    const before = await classify(goldenClassifier, texts);
    const after = await classify(outputDir, texts);
    after.forEach(({ scores }, i) => expect([...scores]).toEqual([...before[i]!.scores]));
  });
});

it('a model that is no classifier is refused', async () => {
  await expect(TextClassifier.load({ model: goldenModel })).rejects.toThrow(
    `${goldenModel}/config.json: expected a classifier with id2label, got none that fits at id2label`,
  );
});
