/**
 * The training loop: batches, accumulation, schedule, logging, checkpoints and resuming. It knows no model and no file
 * format; the task brings an objective, data, and a way to save.
 */
import { schedule, type AdamWOptions, type ScheduleName } from '../optim/index.ts';
import type { Feeds } from '../runtime/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import { epochBatches } from './batches.ts';
import { TrainStep, type Objective } from './train-step.ts';
import type { TrainingState } from './training-state.ts';

/** Examples that can be made into batches. */
export interface TrainingData {
  /** How long each example is, in tokens. */
  readonly lengths: ArrayLike<number>;
  /** A batch of the examples with these indices, padded to one length. */
  readonly collate: (indices: Uint32Array) => TrainingBatch;
}

export interface TrainingBatch {
  readonly feeds: Feeds;
  /** The sizes of the batch's letters, such as B and S. */
  readonly sizes: ReadonlyMap<string, number>;
}

export interface TrainingOptions {
  readonly batchSize: number;
  /** Batches whose mean gradient makes one update. */
  readonly gradientAccumulationSteps: number;
  readonly epochs: number;
  /** Ends the run after so many updates, whatever `epochs` says. */
  readonly maxSteps?: number;
  readonly learningRate: number;
  readonly schedule: ScheduleName;
  /** Updates of the warm-up; where it is 0, the part of all updates that `warmupRatio` says. */
  readonly warmupSteps: number;
  readonly warmupRatio: number;
  readonly optimizer: AdamWOptions;
  readonly maxGradNorm: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly groupByLength: boolean;
  /** Updates between entries of the log; 0 writes none. */
  readonly loggingSteps: number;
  /** Updates between checkpoints; 0 writes none. */
  readonly saveSteps: number;
  readonly threads?: number;
  /** `int8` trains faster, with a little noise in the gradients; see `LowerOptions`. */
  readonly linearPrecision?: 'float32' | 'int8';
}

/** An entry of `log_history`, in transformers' form. */
export interface LogEntry {
  readonly step: number;
  readonly epoch: number;
  /** The mean over the updates since the entry before. */
  readonly loss: number;
  /** The one that the last update used. */
  readonly learning_rate: number;
  /** Of the last update, before clipping. */
  readonly grad_norm: number;
}

/** How far a run is: all that a resumed one needs besides the numbers of its `TrainingState`. */
export interface TrainingProgress {
  /** Updates made. */
  readonly step: number;
  readonly totalSteps: number;
  readonly logHistory: readonly LogEntry[];
}

export type TrainingEvent =
  | { readonly type: 'begin'; readonly examples: number; readonly totalSteps: number; readonly step: number }
  | {
      readonly type: 'step';
      readonly step: number;
      readonly totalSteps: number;
      readonly epoch: number;
      readonly loss: number;
      readonly samplesPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: 'log'; readonly entry: LogEntry; readonly totalSteps: number }
  | { readonly type: 'saved'; readonly step: number }
  | { readonly type: 'end'; readonly result: TrainingResult };

export interface TrainingHooks {
  /** Fills the parameters with those that training starts from, and the moments when it resumes. */
  readonly initialize: (state: TrainingState) => Promise<TrainingProgress | undefined>;
  readonly save: (state: TrainingState, progress: TrainingProgress) => Promise<void>;
  readonly onEvent?: (event: TrainingEvent) => void;
}

/** `train_results.json`, in transformers' form. */
export interface TrainingResult {
  readonly epoch: number;
  readonly step: number;
  /** The mean over all updates of this run. */
  readonly train_loss: number;
  /** Seconds in the loop; start-up is not counted. */
  readonly train_runtime: number;
  readonly train_samples: number;
  readonly train_samples_per_second: number;
  readonly train_steps_per_second: number;
}

/**
 * Trains to the end, and leaves the parameters in the state it returns.
 *
 * @throws BertramError `bad-input` for options out of their range, no examples, or a checkpoint from beyond the end;
 * `failed` when a loss or a gradient is not finite, naming the update
 */
export async function train(
  objective: Objective,
  data: TrainingData,
  options: TrainingOptions,
  hooks: TrainingHooks,
): Promise<{
  readonly state: TrainingState;
  readonly progress: TrainingProgress;
  readonly result: TrainingResult;
}> {
  checkOptions(options);
  const emit = hooks.onEvent ?? (() => undefined);
  const examples = data.lengths.length;
  const { updatesPerEpoch, totalSteps } = plan(examples, options);
  const engine = await TrainStep.create(objective, options);
  try {
    const { state } = engine;
    const resumed = await hooks.initialize(state);
    const warmupSteps =
      options.warmupSteps > 0 ? options.warmupSteps : Math.ceil(totalSteps * options.warmupRatio);
    const rate = schedule(options.schedule, warmupSteps, totalSteps);
    const logHistory = [...(resumed?.logHistory ?? [])];
    const first = resumed?.step ?? 0;
    if (first > totalSteps)
      badInput('training: checkpoint', `at most the run's ${totalSteps} updates`, String(first));
    emit({ type: 'begin', examples, totalSteps, step: first });

    const began = performance.now();
    let step = first;
    let samples = 0;
    let totalLoss = 0;
    let sinceLog = { loss: 0, updates: 0 };
    const secondsSoFar = (): number => (performance.now() - began) / 1000;
    const progress = (): TrainingProgress => ({ step, totalSteps, logHistory });

    for (let epoch = Math.floor(step / updatesPerEpoch); step < totalSteps; epoch++) {
      const batches = epochBatches(data.lengths, epoch, options);
      for (let update = step % updatesPerEpoch; update < updatesPerEpoch && step < totalSteps; update++) {
        const from = update * options.gradientAccumulationSteps;
        const group = batches.slice(from, from + options.gradientAccumulationSteps);
        let loss = 0;
        for (const [i, indices] of group.entries()) {
          const batch = data.collate(indices);
          // Numbered over the whole run, so that a resumed run draws the masks it would have drawn.
          const number = epoch * batches.length + from + i;
          loss += (await engine.backward(batch.feeds, batch.sizes, number)) / group.length;
          samples += indices.length;
        }
        const learningRate = options.learningRate * rate(step);
        const gradNorm = await engine.update(step + 1, learningRate);
        step += 1;
        if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
          const got = `loss ${loss} and gradient norm ${gradNorm}`;
          throw new BertramError('failed', `training: expected finite numbers at step ${step}, got ${got}`);
        }
        totalLoss += loss;
        sinceLog = { loss: sinceLog.loss + loss, updates: sinceLog.updates + 1 };
        const reached = step / updatesPerEpoch;
        if (options.loggingSteps > 0 && step % options.loggingSteps === 0) {
          const mean = sinceLog.loss / sinceLog.updates;
          const entry = {
            step,
            epoch: reached,
            loss: mean,
            learning_rate: learningRate,
            grad_norm: gradNorm,
          };
          sinceLog = { loss: 0, updates: 0 };
          logHistory.push(entry);
          emit({ type: 'log', entry, totalSteps });
        }
        const secondsLeft = (secondsSoFar() / (step - first)) * (totalSteps - step);
        const samplesPerSecond = samples / secondsSoFar();
        emit({ type: 'step', step, totalSteps, epoch: reached, loss, samplesPerSecond, secondsLeft });
        if (options.saveSteps > 0 && step % options.saveSteps === 0 && step < totalSteps) {
          await hooks.save(state, progress());
          emit({ type: 'saved', step });
        }
      }
    }

    const seconds = secondsSoFar();
    const result: TrainingResult = {
      epoch: step / updatesPerEpoch,
      step,
      train_loss: step > first ? totalLoss / (step - first) : 0,
      train_runtime: seconds,
      train_samples: examples,
      train_samples_per_second: samples / seconds,
      train_steps_per_second: (step - first) / seconds,
    };
    emit({ type: 'end', result });
    return { state, progress: progress(), result };
  } finally {
    await engine.release();
  }
}

/** How many updates an epoch and the run have. The last update of an epoch may have fewer batches. */
function plan(examples: number, options: TrainingOptions): { updatesPerEpoch: number; totalSteps: number } {
  if (examples === 0) throw new BertramError('bad-input', 'training: expected examples, got none');
  const batches = Math.ceil(examples / options.batchSize);
  const updatesPerEpoch = Math.ceil(batches / options.gradientAccumulationSteps);
  const totalSteps = options.maxSteps ?? Math.ceil(updatesPerEpoch * options.epochs);
  return { updatesPerEpoch, totalSteps };
}

/** The least that whole-numbered options may be. */
const LEAST = {
  batchSize: 1,
  gradientAccumulationSteps: 1,
  maxSteps: 0,
  warmupSteps: 0,
  loggingSteps: 0,
  saveSteps: 0,
} as const;
const NOT_NEGATIVE = ['epochs', 'learningRate', 'warmupRatio', 'maxGradNorm'] as const;

function checkOptions(options: TrainingOptions): void {
  for (const [name, least] of Object.entries(LEAST) as [keyof typeof LEAST, number][]) {
    const value = options[name] ?? least;
    if (!Number.isSafeInteger(value) || value < least)
      badInput(`training: ${name}`, `a whole number from ${least}`, String(value));
  }
  for (const name of NOT_NEGATIVE) {
    const value = options[name];
    if (!(value >= 0 && value < Infinity)) badInput(`training: ${name}`, 'a number from 0', String(value));
  }
}
