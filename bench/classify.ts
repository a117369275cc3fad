/**
 * Which collection a question comes from (product reviews, Reddit, Wikipedia, privacy policies, biomedicine), by logistic
 * regression on frozen features of the default model: ours against scikit-learn's on the very same features and splits,
 * at several strengths of the penalty.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../src/checkpoint/index.ts';
import {
  classificationMetrics,
  fitLogisticRegression,
  labelIds,
  labelsOf,
  splitTexts,
  type LabelledText,
  type LinearClassifier,
} from '../src/classification/index.ts';
import { featureMatrix, FeatureExtractor } from '../src/pipelines/index.ts';
import { readSquadFile } from '../src/squad/squad-files.ts';
import { BertramError } from '../src/support/errors.ts';
import { Random } from '../src/support/random.ts';
import { median, requirePeer, type BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const SHARED = new URL('../../shared/data/qa/', import.meta.url);
const COLLECTIONS = ['amazon-reviews', 'reddit', 'new-wiki-train', 'policyqa', 'covidqa'] as const;
/** Questions of each collection. */
const SAMPLE = 1000;
const TEST_SHARE = 0.4;
/** scikit-learn's C. */
const STRENGTHS = [0.01, 0.1, 1];
const ROUNDS = 2;

interface Reading {
  readonly accuracy: number;
  readonly macro_f1: number;
  /** The objective's value at the end. */
  readonly loss: number;
  readonly iterations: number;
  readonly seconds: number;
  readonly predictions: readonly number[];
}

/** @throws BertramError `not-found` without ../shared/data/qa, or a Python that has scikit-learn and safetensors */
export async function run(): Promise<BenchResult> {
  if (!existsSync(SHARED)) {
    throw new BertramError('not-found', 'bench classify: expected ../shared/data/qa, got nothing');
  }
  const python = requirePeer('classify', 'sklearn', 'safetensors');
  const { training, validation } = splitTexts(await sampleQuestions(), TEST_SHARE, 1);
  const labels = labelsOf(training);
  const extractor = await FeatureExtractor.load({ layers: [-1], pooling: 'mean' });
  const width = extractor.model.config.hiddenSize;
  const began = performance.now();
  const [train, test] = await Promise.all(
    [training, validation].map(async (part) => ({
      features: await featureMatrix(
        extractor,
        part.map(({ text }) => text),
      ),
      labels: labelIds(part, labels, 'bench'),
    })),
  );
  const extractionSeconds = (performance.now() - began) / 1000;
  await extractor.release();

  const directory = await mkdtemp(join(tmpdir(), 'bertram-bench-'));
  const file = join(directory, 'features.safetensors');
  await writeSafetensors(file, [...tensorsOf('train', train!, width), ...tensorsOf('test', test!, width)]);
  const peer = PeerProcess.python(python, 'peers/logistic_regression.py', file);
  try {
    const runs = [];
    for (const c of STRENGTHS) {
      const ours: Reading[] = [];
      const theirs: Reading[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(await fitOurs(train!, test!, labels, c));
        theirs.push(await peer.ask<Reading>(`fit ${c}`));
      }
      runs.push({
        c,
        ...summary('ours', ours),
        ...summary('peer', theirs),
        ...agreement(ours[0]!, theirs[0]!),
      });
    }
    const last = runs.at(-1)! as Record<string, number>;
    const [ours, theirs] = [last['oursAccuracy']!, last['peerAccuracy']!];
    const sizes = { train: training.length, test: validation.length, labels, extractionSeconds };
    return {
      name: 'classify',
      ours,
      peer: theirs,
      unit: 'accuracy',
      ratio: ours / theirs,
      runs: [{ ...sizes, loadAverage: loadavg()[0]! }, ...runs],
    };
  } finally {
    await peer.close();
    await rm(directory, { recursive: true });
  }
}

/** The same number of different questions of each collection, drawn by a seed. */
async function sampleQuestions(): Promise<LabelledText[]> {
  const samples: LabelledText[] = [];
  for (const label of COLLECTIONS) {
    const { examples } = await readSquadFile(fileURLToPath(new URL(`${label}.json.gz`, SHARED)));
    const questions = [...new Set(examples.map(({ question }) => question.trim()))];
    new Random(1, `sample/${label}`).shuffle(questions);
    for (const text of questions.slice(0, SAMPLE)) samples.push({ text, label });
  }
  return samples;
}

interface Part {
  readonly features: Float32Array;
  readonly labels: Int32Array;
}

function tensorsOf(name: string, { features, labels }: Part, width: number) {
  return [
    { name: `${name}_features`, dtype: 'F32', shape: [labels.length, width], data: features },
    { name: `${name}_labels`, dtype: 'I32', shape: [labels.length], data: labels },
  ] as const;
}

async function fitOurs(
  train: Part,
  test: Part,
  labels: readonly string[],
  inverseRegularization: number,
): Promise<Reading> {
  const began = performance.now();
  const fitted = await fitLogisticRegression(train, labels.length, { inverseRegularization });
  const seconds = (performance.now() - began) / 1000;
  const predictions = Array.from(test.labels, (_, row) => predict(fitted, test.features, row));
  const { accuracy, macro_f1 } = classificationMetrics(labels, test.labels, predictions);
  const { loss, iterations } = fitted;
  return { accuracy, macro_f1, loss, iterations, seconds, predictions };
}

/** Plain loops: what is compared is the fit. */
function predict({ weight, bias }: LinearClassifier, features: Float32Array, row: number): number {
  const width = weight.length / bias.length;
  const vector = features.subarray(row * width, (row + 1) * width);
  const logits = Array.from(bias, (start, label) =>
    vector.reduce((sum, value, i) => sum + value * weight[label * width + i]!, start),
  );
  return logits.indexOf(Math.max(...logits));
}

function summary(side: string, readings: readonly Reading[]): Record<string, number> {
  const { accuracy, macro_f1, loss, iterations } = readings[0]!;
  return {
    [`${side}Accuracy`]: accuracy,
    [`${side}MacroF1`]: macro_f1,
    [`${side}Loss`]: loss,
    [`${side}Iterations`]: iterations,
    [`${side}Seconds`]: median(readings.map(({ seconds }) => seconds)),
  };
}

/** The share of test questions that both sides put into the same class. */
function agreement(ours: Reading, theirs: Reading): { readonly samePredictions: number } {
  const same = ours.predictions.filter((label, i) => label === theirs.predictions[i]).length;
  return { samePredictions: same / ours.predictions.length };
}
