/** What each phase of a recipe trains, with every number settled: its own, the recipe's, or google-research/bert's. */
import { pretrainingAdamW } from '../optim/index.ts';
import { badInput } from '../support/errors.ts';
import type { TrainingOptions } from '../training/index.ts';
import type { PretrainingRecipe, RecipeNumbers } from './recipe.ts';

export interface PhaseSettings {
  readonly data: string | undefined;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  /** Examples of an update, however many batches they are computed in. */
  readonly trainBatchSize: number;
  readonly gradientAccumulationSteps: number;
  readonly learningRate: number;
  readonly numTrainSteps: number;
  readonly numWarmupSteps: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
}

/** The defaults of google-research/bert `run_pretraining.py`, but a warm-up of a tenth of the updates at the most. */
export const pretrainingDefaults = {
  trainBatchSize: 32,
  gradientAccumulationSteps: 1,
  learningRate: 1e-4,
  numTrainSteps: 100_000,
  numWarmupSteps: 10_000,
  weightDecay: pretrainingAdamW.weightDecay,
  maxGradNorm: 1,
} as const;

/**
 * @param given what the caller says, before what the recipe says
 * @throws BertramError `bad-input` for a phase of no updates, a warm-up that never ends, or a batch that does not divide
 */
export function phaseSettings(recipe: PretrainingRecipe, given: RecipeNumbers = {}): PhaseSettings[] {
  const { numbers, phases } = recipe;
  const number = (name: keyof RecipeNumbers, ofPhase?: number): number | undefined =>
    given[name] ?? ofPhase ?? numbers[name];
  const total = number('numTrainSteps') ?? pretrainingDefaults.numTrainSteps;
  const steps = stepsOfPhases(
    phases.map(({ share }) => share),
    total,
  );
  return phases.map((phase, i) => {
    const numTrainSteps = steps[i]!;
    const where = phases.length === 1 ? 'pretraining' : `phase ${i + 1}`;
    if (numTrainSteps === 0)
      badInput(`${where}: num_train_steps`, 'at least 1', `a share of ${phase.share} of ${total}`);
    const numWarmupSteps =
      number('numWarmupSteps', phase.numWarmupSteps) ??
      Math.min(pretrainingDefaults.numWarmupSteps, Math.floor(numTrainSteps / 10));
    if (numWarmupSteps > numTrainSteps) {
      const expected = `at most the ${numTrainSteps} updates (num_train_steps)`;
      badInput(`${where}: num_warmup_steps`, expected, `${numWarmupSteps}`);
    }
    const trainBatchSize =
      number('trainBatchSize', phase.trainBatchSize) ?? pretrainingDefaults.trainBatchSize;
    const gradientAccumulationSteps =
      number('gradientAccumulationSteps', phase.gradientAccumulationSteps) ??
      pretrainingDefaults.gradientAccumulationSteps;
    if (trainBatchSize % gradientAccumulationSteps !== 0) {
      const expected = `a divisor of the train_batch_size ${trainBatchSize}`;
      badInput(`${where}: gradient_accumulation_steps`, expected, `${gradientAccumulationSteps}`);
    }
    return {
      data: phase.data,
      maxSeqLength: phase.maxSeqLength,
      maxPredictionsPerSeq: phase.maxPredictionsPerSeq,
      trainBatchSize,
      gradientAccumulationSteps,
      learningRate: number('learningRate', phase.learningRate) ?? pretrainingDefaults.learningRate,
      numTrainSteps,
      numWarmupSteps,
      weightDecay: number('weightDecay') ?? pretrainingDefaults.weightDecay,
      maxGradNorm: number('maxGradNorm') ?? pretrainingDefaults.maxGradNorm,
    };
  });
}

/** Updates of each phase: its share of all, rounded so that they sum up. Of 15 by the 90/10 rule: 14 and 1. */
function stepsOfPhases(shares: readonly number[], total: number): number[] {
  let begin = 0;
  let share = 0;
  return shares.map((part) => {
    share += part;
    const end = Math.round(share * total);
    const steps = end - begin;
    begin = end;
    return steps;
  });
}

/** How a run is logged, saved and drawn, which changes nothing of what a phase is. */
export type RunOptions = Pick<
  TrainingOptions,
  | 'seed'
  | 'shuffle'
  | 'groupByLength'
  | 'loggingSteps'
  | 'saveSteps'
  | 'evalSteps'
  | 'best'
  | 'threads'
  | 'linearPrecision'
  | 'recompute'
  | 'ranks'
  | 'shardOptimizer'
>;

/** @param maxSteps ends the run before its schedule does */
export function trainingOptionsOf(
  phase: PhaseSettings,
  run: RunOptions,
  maxSteps = phase.numTrainSteps,
): TrainingOptions {
  return {
    ...run,
    batchSize: phase.trainBatchSize / phase.gradientAccumulationSteps,
    gradientAccumulationSteps: phase.gradientAccumulationSteps,
    epochs: 1,
    maxSteps: Math.min(maxSteps, phase.numTrainSteps),
    learningRate: phase.learningRate,
    schedule: 'pretraining',
    scheduleSteps: phase.numTrainSteps,
    warmupSteps: phase.numWarmupSteps,
    warmupRatio: 0,
    optimizer: { ...pretrainingAdamW, weightDecay: phase.weightDecay },
    maxGradNorm: phase.maxGradNorm,
  };
}
