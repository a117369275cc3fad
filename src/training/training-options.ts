/** What a run is asked to do, and how long that makes it. */
import type { Communicator } from '../distributed/index.ts';
import type { AdamWOptions, ScheduleName } from '../optim/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { Recompute } from './recomputation.ts';
import type { BestModelOptions } from './best-model.ts';

/** Updates between two of something, or `epoch` for once at the end of each; 0 is never. */
export type Interval = number | 'epoch';

export interface TrainingOptions {
  /** Examples of a batch; with several ranks, of each rank's part of it. */
  readonly batchSize: number;
  /** Batches whose mean gradient makes one update. */
  readonly gradientAccumulationSteps: number;
  readonly epochs: number;
  /** Ends the run after so many updates, whatever `epochs` says. */
  readonly maxSteps?: number;
  readonly learningRate: number;
  readonly schedule: ScheduleName;
  /** Updates that the schedule is made for, where the run is to stop before it ends; the run's own unless told. */
  readonly scheduleSteps?: number;
  /** Updates of the warm-up; where it is 0, the part of the schedule's updates that `warmupRatio` says. */
  readonly warmupSteps: number;
  readonly warmupRatio: number;
  readonly optimizer: AdamWOptions;
  readonly maxGradNorm: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly groupByLength: boolean;
  /** Updates between entries of the log; 0 writes none. */
  readonly loggingSteps: number;
  /** When checkpoints are written. */
  readonly saveSteps: Interval;
  /** When a task that has an evaluation makes it, besides after the last update. */
  readonly evalSteps?: Interval;
  /** Which evaluation is the best, and what follows from it. */
  readonly best?: BestModelOptions;
  readonly threads?: number;
  /** `int8` trains faster, with a little noise in the gradients; see `LowerOptions`. */
  readonly linearPrecision?: 'float32' | 'int8';
  /** What the backward pass computes a second time, to need less memory; `cheap` for large models unless told. */
  readonly recompute?: Recompute;
  /** The ranks that train together; this process alone unless told. */
  readonly ranks?: Communicator;
  /** Each rank keeps the moments of a slice of the parameters only; the numbers come out the same. */
  readonly shardOptimizer?: boolean;
}

export interface RunLength {
  /** The last one of an epoch may have fewer batches. */
  readonly updatesPerEpoch: number;
  readonly totalSteps: number;
}

/** @throws BertramError `bad-input` when there are no examples */
export function runLength(examples: number, options: TrainingOptions): RunLength {
  if (examples === 0) throw new BertramError('bad-input', 'training: expected examples, got none');
  const batches = Math.ceil(examples / options.batchSize);
  const updatesPerEpoch = Math.ceil(batches / options.gradientAccumulationSteps);
  return { updatesPerEpoch, totalSteps: options.maxSteps ?? Math.ceil(updatesPerEpoch * options.epochs) };
}

/** The least that whole-numbered options may be. */
const LEAST = {
  batchSize: 1,
  gradientAccumulationSteps: 1,
  maxSteps: 0,
  scheduleSteps: 0,
  warmupSteps: 0,
  loggingSteps: 0,
  saveSteps: 0,
  evalSteps: 0,
} as const;
const NOT_NEGATIVE = ['epochs', 'learningRate', 'warmupRatio', 'maxGradNorm'] as const;

/** @throws BertramError `bad-input` naming the first option that is out of its range */
export function checkTrainingOptions(options: TrainingOptions): void {
  for (const [name, least] of Object.entries(LEAST) as [keyof typeof LEAST, number][]) {
    const value = options[name] ?? least;
    if (value === 'epoch') continue;
    if (!Number.isSafeInteger(value) || value < least)
      badInput(`training: ${name}`, `a whole number from ${least}`, String(value));
  }
  for (const name of NOT_NEGATIVE) {
    const value = options[name];
    if (!(value >= 0 && value < Infinity)) badInput(`training: ${name}`, 'a number from 0', String(value));
  }
}
