/**
 * The training loop: batches, accumulation, schedule, logging, evaluation, checkpoints, resuming and stopping. It knows
 * no model and no file format; the task brings an objective, data, and a way to save.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { schedule } from '../optim/index.ts';
import type { Feeds } from '../runtime/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import { epochBatches } from './batches.ts';
import { Pace } from './pace.ts';
import { compareSettings, runSettings, type RunSettings } from './run-settings.ts';
import type { DataPosition, RunState } from './run-state.ts';
import { TrainStep, type BatchMetrics, type Objective } from './train-step.ts';
import {
  TrainingLog,
  type EvaluationEntry,
  type EvaluationMetrics,
  type LogEntry,
  type LogHistory,
} from './training-log.ts';
import { checkTrainingOptions, runLength, type RunLength, type TrainingOptions } from './training-options.ts';
import type { TrainingState } from './training-state.ts';
import { TrainingStopped } from './training-stopped.ts';

/** Examples that can be made into batches. */
export interface TrainingData {
  /** How long each example is, in tokens. */
  readonly lengths: ArrayLike<number>;
  /** A batch of the examples with these indices, padded to one length. */
  readonly collate: (indices: Uint32Array) => TrainingBatch;
  /** Of all that is in the examples, so that a run is not resumed on others. */
  readonly sha256?: string;
}

export interface TrainingBatch {
  readonly feeds: Feeds;
  /** The sizes of the batch's letters, such as B and S. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** How far a run is: all that a resumed one needs besides the numbers of its `TrainingState`. */
export interface TrainingProgress extends RunState {
  /** Updates made. */
  readonly step: number;
  readonly totalSteps: number;
  readonly logHistory: LogHistory;
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
  | { readonly type: 'evaluation'; readonly entry: EvaluationEntry; readonly totalSteps: number }
  | { readonly type: 'saved'; readonly step: number }
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'end'; readonly result: TrainingResult };

export interface TrainingHooks {
  /** Fills the parameters with those that training starts from, and the moments when it resumes. */
  readonly initialize: (state: TrainingState) => Promise<TrainingProgress | undefined>;
  readonly save: (state: TrainingState, progress: TrainingProgress) => Promise<void>;
  /** Judges the parameters on data that is not trained on. */
  readonly evaluate?: (state: TrainingState) => Promise<EvaluationMetrics>;
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Asks the run to stop: it finishes the update under way, saves, and throws `TrainingStopped`. */
  readonly signal?: AbortSignal;
}

/** `train_results.json`, in transformers' form. */
export interface TrainingResult {
  readonly epoch: number;
  readonly step: number;
  /** The mean over all updates, those before the run was resumed included. */
  readonly train_loss: number;
  /** Seconds in the loop; start-up and evaluations are not counted. */
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
 * @throws TrainingStopped when `signal` asked for it, once the run is saved
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
  checkTrainingOptions(options);
  const emit = hooks.onEvent ?? (() => undefined);
  const length = runLength(data.lengths.length, options);
  const { totalSteps, updatesPerEpoch } = length;
  const rate = learningRates(options, totalSteps);
  const engine = await TrainStep.create(objective, options);
  try {
    const { state } = engine;
    const resumed = await hooks.initialize(state);
    const first = resumed?.step ?? 0;
    if (first > totalSteps)
      badInput('training: checkpoint', `at most the run's ${totalSteps} updates`, String(first));
    const settings = runSettings(objective, data, options, totalSteps);
    if (resumed !== undefined)
      checkResumed(resumed, settings, length).forEach((text) => emit({ type: 'warning', text }));
    emit({ type: 'begin', examples: data.lengths.length, totalSteps, step: first });

    const log = new TrainingLog(options.loggingSteps, resumed);
    const pace = new Pace(totalSteps - first);
    const progressAt = (step: number): TrainingProgress => ({
      ...{ step, totalSteps, settings, position: positionAfter(step, length) },
      ...{ logHistory: log.history, logSums: log.sums },
    });
    const evaluateIfDue = async (step: number): Promise<void> => {
      const isWanted = step === totalSteps || isDue(step, options.evalSteps);
      if (hooks.evaluate === undefined || !isWanted || step === 0 || log.hasEvaluation(step)) return;
      const evaluated = await pace.pause(hooks.evaluate(state));
      const entry = log.evaluation(evaluated, { step, epoch: step / updatesPerEpoch });
      emit({ type: 'evaluation', entry, totalSteps });
    };
    const isStopping = (): boolean => hooks.signal?.aborted === true;

    if (isStopping()) throw new TrainingStopped(first);
    // One that was stopped right after an update has not been judged.
    await evaluateIfDue(first);
    for (const { step, epoch, batches } of updatesFrom(first, length, data.lengths, options)) {
      const { metrics, samples } = await backward(engine, data, batches);
      const { loss } = metrics;
      const learningRate = rate(step);
      const gradNorm = await engine.update(step, learningRate);
      requireFinite(step, loss, gradNorm);
      pace.update(samples);

      const entry = log.update({ step, epoch, metrics, learningRate, gradNorm });
      if (entry !== undefined) emit({ type: 'log', entry, totalSteps });
      const { samplesPerSecond, secondsLeft } = pace.now();
      emit({ type: 'step', step, totalSteps, epoch, loss, samplesPerSecond, secondsLeft });
      // Updates of a small model never leave the thread: signals and timers get their turn here.
      await nextTurn();
      if (!isStopping()) await evaluateIfDue(step);
      if (isStopping() || (isDue(step, options.saveSteps) && step < totalSteps)) {
        await hooks.save(state, progressAt(step));
        emit({ type: 'saved', step });
      }
      if (isStopping()) throw new TrainingStopped(step);
    }

    const { seconds, samplesPerSecond } = pace.now();
    const result: TrainingResult = {
      epoch: totalSteps / updatesPerEpoch,
      step: totalSteps,
      train_loss: log.meanLoss,
      train_runtime: seconds,
      train_samples: data.lengths.length,
      train_samples_per_second: samplesPerSecond,
      train_steps_per_second: (totalSteps - first) / seconds,
    };
    emit({ type: 'end', result });
    return { state, progress: progressAt(totalSteps), result };
  } finally {
    await engine.release();
  }
}

/**
 * Whether a checkpoint is of this run.
 *
 * @returns what differs and may
 */
function checkResumed(resumed: TrainingProgress, settings: RunSettings, length: RunLength): string[] {
  const warnings = compareSettings(resumed.settings, settings);
  const [before, now] = [resumed.position, positionAfter(resumed.step, length)];
  if (before.epoch !== now.epoch || before.update !== now.update) {
    const told = ({ epoch, update }: DataPosition): string => `update ${update} of epoch ${epoch}`;
    badInput('training: checkpoint', `${told(now)} after ${resumed.step} updates`, told(before));
  }
  return warnings;
}

const positionAfter = (step: number, { updatesPerEpoch }: RunLength): DataPosition => ({
  epoch: Math.floor(step / updatesPerEpoch),
  update: step % updatesPerEpoch,
});

/** The learning rate of each update, numbered from 1. */
function learningRates(options: TrainingOptions, totalSteps: number): (step: number) => number {
  const { learningRate, scheduleSteps = totalSteps, warmupSteps, warmupRatio } = options;
  const warmup = warmupSteps > 0 ? warmupSteps : Math.ceil(scheduleSteps * warmupRatio);
  const factor = schedule(options.schedule, warmup, scheduleSteps);
  return (step) => learningRate * factor(step - 1);
}

interface NumberedBatch {
  readonly indices: Uint32Array;
  /** Counted over the whole run, so that a resumed run draws the dropout masks it would have drawn. */
  readonly number: number;
}

/** Every update that is yet to be made: its number from 1, the epochs passed when it is done, and its batches. */
function* updatesFrom(
  first: number,
  { updatesPerEpoch, totalSteps }: RunLength,
  lengths: ArrayLike<number>,
  options: TrainingOptions,
): Generator<{ readonly step: number; readonly epoch: number; readonly batches: readonly NumberedBatch[] }> {
  const { gradientAccumulationSteps } = options;
  let step = first;
  for (let epoch = Math.floor(step / updatesPerEpoch); step < totalSteps; epoch++) {
    const all = epochBatches(lengths, epoch, options);
    for (let update = step % updatesPerEpoch; update < updatesPerEpoch && step < totalSteps; update++) {
      const from = update * gradientAccumulationSteps;
      const batches = all
        .slice(from, from + gradientAccumulationSteps)
        .map((indices, i) => ({ indices, number: epoch * all.length + from + i }));
      step += 1;
      yield { step, epoch: step / updatesPerEpoch, batches };
    }
  }
}

/** Adds up the gradients of an update's batches. Returns the means of their metrics. */
async function backward(
  engine: TrainStep,
  data: TrainingData,
  batches: readonly NumberedBatch[],
): Promise<{ readonly metrics: BatchMetrics; readonly samples: number }> {
  const metrics: { loss: number; [metric: string]: number } = { loss: 0 };
  let samples = 0;
  for (const { indices, number } of batches) {
    const { feeds, sizes } = data.collate(indices);
    const ofBatch = await engine.backward(feeds, sizes, number);
    for (const [name, value] of Object.entries(ofBatch))
      metrics[name] = (metrics[name] ?? 0) + value / batches.length;
    samples += indices.length;
  }
  return { metrics, samples };
}

function requireFinite(step: number, loss: number, gradNorm: number): void {
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
  const got = `loss ${loss} and gradient norm ${gradNorm}`;
  throw new BertramError('failed', `training: expected finite numbers at step ${step}, got ${got}`);
}

const isDue = (step: number, every = 0): boolean => every > 0 && step % every === 0;
