/** A small model to train in tests, which compiles at once: a bag of embedded ids, normalised and classified. */
import { cast, greater, input, multiply, reshape, sum } from '../../src/graph/index.ts';
import {
  crossEntropy,
  Dropout,
  embeddingLayer,
  layerNormLayer,
  linearLayer,
  Parameters,
} from '../../src/nn/index.ts';
import { fineTuningAdamW } from '../../src/optim/index.ts';
import { Random } from '../../src/support/random.ts';
import type { Objective, TrainingData, TrainingOptions } from '../../src/training/index.ts';

const WORDS = 11;
const WIDTH = 6;
const CLASSES = 4;

/** Inputs `ids` int32 [B, S], 0 where there is no word, and `labels` int32 [B]. */
export function classifier(dropoutRate = 0.1): Objective {
  const parameters = new Parameters();
  const dropout = new Dropout({ training: true });
  const ids = input('ids', 'int32', ['B', 'S']);
  const embedded = embeddingLayer(parameters.in('embedding'), WORDS, WIDTH, 0.5)(ids); // [B, S, WIDTH]
  const isWord = reshape(greater(cast(ids, 'float32'), 0), ['B', 'S', 1]);
  const bag = sum(multiply(dropout.apply(embedded, dropoutRate), isWord), [1]); // [B, WIDTH]
  const normalized = layerNormLayer(parameters.in('LayerNorm'), WIDTH, 1e-5)(bag); // [B, WIDTH]
  const logits = linearLayer(
    parameters.in('head'),
    WIDTH,
    CLASSES,
    0.5,
  )(dropout.apply(normalized, dropoutRate)); // [B, CLASSES]
  return { loss: crossEntropy(logits, input('labels', 'int32', ['B'])), parameters: parameters.all, dropout };
}

/** Examples of 2 to 6 random words, labelled at random: to be learnt by heart. */
export function examples(count: number): TrainingData {
  const random = new Random(11, 'examples');
  const texts = Array.from({ length: count }, () =>
    Array.from({ length: 2 + random.nextInteger(5) }, () => 1 + random.nextInteger(WORDS - 1)),
  );
  const labels = Array.from({ length: count }, () => random.nextInteger(CLASSES));
  return {
    lengths: texts.map(({ length }) => length),
    collate: (indices) => {
      const members = Array.from(indices, (index) => texts[index]!);
      const longest = Math.max(...members.map(({ length }) => length));
      const padded = members.flatMap((text) => [
        ...text,
        ...new Array<number>(longest - text.length).fill(0),
      ]);
      return {
        feeds: {
          ids: { data: Int32Array.from(padded), shape: [indices.length, longest] },
          labels: { data: Int32Array.from(indices, (index) => labels[index]!), shape: [indices.length] },
        },
        sizes: new Map([
          ['B', indices.length],
          ['S', longest],
        ]),
      };
    },
  };
}

export const defaultTraining: TrainingOptions = {
  batchSize: 4,
  gradientAccumulationSteps: 1,
  epochs: 1,
  learningRate: 0.02,
  schedule: 'linear',
  warmupSteps: 0,
  warmupRatio: 0,
  optimizer: { ...fineTuningAdamW, weightDecay: 0.01 },
  maxGradNorm: 1,
  seed: 42,
  shuffle: true,
  groupByLength: false,
  loggingSteps: 0,
  saveSteps: 0,
  threads: 1,
};
