/**
 * How fast this machine pretrains: a few real updates of the model, cut to a size that takes seconds, as operations a
 * second. Large models are timed with fewer layers and fewer examples, since the rate of their products changes little.
 */
import type { BertConfig } from '../bert/index.ts';
import { countParameters } from '../nn/index.ts';
import { pretrainingAdamW } from '../optim/index.ts';
import { Random } from '../support/random.ts';
import { TrainStep } from '../training/index.ts';
import type { PretrainingExample } from './example.ts';
import { pretrainingObjective } from './objective.ts';
import { flopsOf, type PretrainingPlan } from './plan.ts';
import { pretrainingBatch } from './pretraining-batches.ts';

/** About a second's worth. */
const LARGEST_BATCH_FLOPS = 3e11;
const MOST_LAYERS = 4;
const UPDATES = 3;

export interface SpeedTrialOptions {
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  /** Examples in a batch: fewer are timed where these take long. */
  readonly batchSize: number;
  readonly threads?: number;
  readonly linearPrecision?: 'float32' | 'int8';
}

export interface SpeedTrial {
  /** What was timed. */
  readonly layers: number;
  readonly batchSize: number;
  readonly maxSeqLength: number;
  readonly updates: number;
  /** Of forward and backward pass. */
  readonly flopsPerSecond: number;
  /** Of the update, which does not grow with the batch. */
  readonly parametersPerSecond: number;
}

/** Times updates on random pieces; the first one, in which memory is touched for the first time, does not count. */
export async function trySpeed(config: BertConfig, options: SpeedTrialOptions): Promise<SpeedTrial> {
  const { maxSeqLength, maxPredictionsPerSeq } = options;
  const numHiddenLayers = Math.min(config.numHiddenLayers, MOST_LAYERS);
  const model = { ...config, numHiddenLayers };
  const perExample = flopsOf(model, 1, maxSeqLength, maxPredictionsPerSeq);
  const batchSize = Math.max(1, Math.min(options.batchSize, Math.floor(LARGEST_BATCH_FLOPS / perExample)));
  const objective = pretrainingObjective(model);
  const engine = await TrainStep.create(objective, {
    optimizer: pretrainingAdamW,
    maxGradNorm: 1,
    seed: 1,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.linearPrecision === undefined ? {} : { linearPrecision: options.linearPrecision }),
  });
  try {
    engine.state.initialize(1);
    const random = new Random(1, 'speed-trial');
    let backwardSeconds = 0;
    let updateSeconds = 0;
    for (let step = 0; step <= UPDATES; step++) {
      const examples = Array.from({ length: batchSize }, () => randomExample(random, config, options));
      const { feeds, sizes } = pretrainingBatch(examples, config.padTokenId);
      const began = performance.now();
      await engine.backward(feeds, sizes, step);
      const between = performance.now();
      await engine.update(step + 1, 1e-4);
      if (step === 0) continue;
      backwardSeconds += (between - began) / 1000;
      updateSeconds += (performance.now() - between) / 1000;
    }
    return {
      layers: numHiddenLayers,
      batchSize,
      maxSeqLength,
      updates: UPDATES,
      flopsPerSecond: (UPDATES * batchSize * perExample) / backwardSeconds,
      parametersPerSecond: (UPDATES * countParameters(objective.parameters)) / updateSeconds,
    };
  } finally {
    await engine.release();
  }
}

/** A full sequence of any pieces, with as many masked places as there may be. */
function randomExample(
  random: Random,
  { vocabSize }: BertConfig,
  { maxSeqLength, maxPredictionsPerSeq }: SpeedTrialOptions,
): PretrainingExample {
  const pieces = (length: number): Int32Array =>
    Int32Array.from({ length }, () => random.nextInteger(vocabSize));
  const places = Math.min(maxPredictionsPerSeq, maxSeqLength);
  return {
    inputIds: pieces(maxSeqLength),
    secondSegment: maxSeqLength >> 1,
    maskedLmPositions: Int32Array.from({ length: places }, (_, i) => i),
    maskedLmIds: pieces(places),
    nextSentenceLabel: random.nextInteger(2) === 0 ? 0 : 1,
  };
}

/** Hours of a plan at the speed of a trial. */
export function hoursOf(plan: PretrainingPlan, trial: SpeedTrial): number {
  const seconds =
    plan.flops / trial.flopsPerSecond + (plan.steps * plan.parameters) / trial.parametersPerSecond;
  return seconds / 3600;
}
