/**
 * The training loop: batches, accumulation, schedule, logging, evaluation, checkpoints, resuming and stopping. It knows
 * no model and no file format; the task brings an objective, data, and a way to save.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isTrueOnAny, singleProcess } from '../distributed/index.ts';
import { schedule } from '../optim/index.ts';
import type { Feeds } from '../runtime/index.ts';
import { badInput } from '../support/errors.ts';
import { BestModel, type BestRecord } from './best-model.ts';
import { nonFiniteError, requireFiniteParameters } from './non-finite.ts';
import { Pace } from './pace.ts';
import { runSettings } from './run-settings.ts';
import { checkResumed, positionAfter, type RunState } from './run-state.ts';
import { gatherMoments, shareStart } from './state-transfer.ts';
import type { Objective } from './gradient-graph.ts';
import { TrainStep } from './train-step.ts';
import {
  TrainingLog,
  type EvaluationEntry,
  type EvaluationMetrics,
  type LogEntry,
  type LogHistory,
} from './training-log.ts';
import { checkTrainingOptions, runLength, type Interval, type TrainingOptions } from './training-options.ts';
import type { TrainingState } from './training-state.ts';
import { TrainingStopped } from './training-stopped.ts';
import { backward, ownParts, updatesFrom } from './updates.ts';

/** Examples that can be made into batches. */
export interface TrainingData {
  /** How long each example is, in tokens. */
  readonly lengths: ArrayLike<number>;
  /**
   * A batch of the examples with these indices, padded to one length.
   *
   * @param longest the length of the longest example of the batch that these are a rank's part of: where padding changes
   * the loss, all parts must be padded alike
   */
  readonly collate: (indices: Uint32Array, longest?: number) => TrainingBatch;
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
  /** Of a run that looks for the best evaluation. */
  readonly best?: BestRecord;
  /** What a run was asked for that its files tell; one that is resumed has its own. */
  readonly options?: TrainingOptions;
}

export type TrainingEvent =
  | { readonly type: 'begin'; readonly examples: number; readonly totalSteps: number; readonly step: number }
  | {
      readonly type: 'step';
      readonly step: number;
      readonly totalSteps: number;
      readonly epoch: number;
      readonly loss: number;
      readonly learningRate: number;
      readonly gradNorm: number;
      /** Examples of this update. */
      readonly samples: number;
      /** In the loop so far, pauses not counted. */
      readonly seconds: number;
      /** The mean so far. */
      readonly samplesPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: 'log'; readonly entry: LogEntry; readonly totalSteps: number }
  | {
      readonly type: 'evaluation';
      readonly entry: EvaluationEntry;
      readonly totalSteps: number;
      /** The best so far, in a run that looks for it. */
      readonly best?: { readonly step: number; readonly metric: string; readonly value: number };
    }
  | { readonly type: 'saved'; readonly step: number }
  /** Evaluations have not improved for so long that the run ends. */
  | { readonly type: 'stopped-early'; readonly step: number; readonly evaluations: number }
  /** The weights of an earlier update, the best, are those that the run ends with. */
  | { readonly type: 'best-loaded'; readonly step: number; readonly metric: string; readonly value: number }
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'end'; readonly result: TrainingResult };

export interface TrainingHooks {
  /** Fills the parameters with those that training starts from, and the moments when it resumes. */
  readonly initialize: (state: TrainingState) => Promise<TrainingProgress | undefined>;
  readonly save: (state: TrainingState, progress: TrainingProgress) => Promise<void>;
  /** Judges the parameters on data that is not trained on. */
  readonly evaluate?: (state: TrainingState) => Promise<EvaluationMetrics>;
  /** Reads the parameters that were saved after an update. Returns whether they are still there. */
  readonly load?: (state: TrainingState, step: number) => Promise<boolean>;
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
  /** Ended before its last update, since evaluations did not improve. */
  readonly stopped_early?: boolean;
}

/**
 * Trains to the end, and leaves the parameters in the state it returns.
 *
 * Where several ranks train together, all of them call this with the same options and data; rank 0 alone initialises,
 * saves and tells events.
 *
 * @throws BertramError `bad-input` for options out of their range, no examples, or a checkpoint from beyond the end;
 * `failed` when a loss or a gradient is not finite, naming the update and the first tensor that broke
 * @throws TrainingStopped when `signal` asked for it, once the run is saved
 */
export async function train(
  objective: Objective,
  data: TrainingData,
  { batchSize, ranks = singleProcess, ...others }: TrainingOptions,
  hooks: TrainingHooks,
): Promise<{
  readonly state: TrainingState;
  readonly progress: TrainingProgress;
  readonly result: TrainingResult;
}> {
  checkTrainingOptions({ ...others, batchSize });
  const options: TrainingOptions = { ...others, batchSize: batchSize * ranks.size, ranks };
  const isFirst = ranks.rank === 0;
  const emit = (event: TrainingEvent): void => {
    if (isFirst) hooks.onEvent?.(event);
  };
  const length = runLength(data.lengths.length, options);
  const { totalSteps, updatesPerEpoch } = length;
  const rate = learningRates(options, totalSteps);
  const engine = await TrainStep.create(objective, options);
  try {
    const { state } = engine;
    const resumed = await shareStart(state, ranks, engine.ownSlice, () => hooks.initialize(state));
    const first = resumed?.step ?? 0;
    if (first > totalSteps)
      badInput('training: checkpoint', `at most the run's ${totalSteps} updates`, String(first));
    const settings = runSettings(objective, data, options, totalSteps);
    if (resumed !== undefined)
      checkResumed(resumed, settings, length).forEach((text) => emit({ type: 'warning', text }));
    emit({ type: 'begin', examples: data.lengths.length, totalSteps, step: first });

    const log = new TrainingLog(options.loggingSteps, resumed);
    const best = options.best && new BestModel(options.best, resumed?.best);
    const pace = new Pace(totalSteps - first);
    const progressAt = (step: number): TrainingProgress => ({
      ...{ step, totalSteps, settings, position: positionAfter(step, length) },
      ...{ logHistory: log.history, logSums: log.sums, options },
      ...(best === undefined ? {} : { best: best.record }),
    });
    const isDue = (step: number, every: Interval = 0): boolean => {
      const updates = every === 'epoch' ? updatesPerEpoch : every;
      return updates > 0 && step % updates === 0;
    };
    /** @returns whether this update's weights are the best so far, and are to be kept as such */
    const evaluateIfDue = async (step: number): Promise<boolean> => {
      const isWanted = step === totalSteps || isDue(step, options.evalSteps);
      if (hooks.evaluate === undefined || !isWanted || step === 0 || log.hasEvaluation(step)) return false;
      const evaluated = await pace.pause(hooks.evaluate(state));
      const entry = log.evaluation(evaluated, { step, epoch: step / updatesPerEpoch });
      const isBest = best?.judge(entry) === true;
      emit({ type: 'evaluation', entry, totalSteps, ...(best && { best: best.named }) });
      return isBest && options.best?.load === true;
    };
    const save = async (step: number): Promise<void> => {
      requireFiniteParameters(state, step);
      await gatherMoments(state, ranks, engine.ownSlice, async () => {
        await hooks.save(state, progressAt(step));
        emit({ type: 'saved', step });
      });
    };
    /** All ranks stop when one of them is asked to, after the same update. */
    const isStopping = (): Promise<boolean> => isTrueOnAny(ranks, hooks.signal?.aborted === true);

    if (await isStopping()) throw new TrainingStopped(first);
    // One that was stopped right after an update has not been judged.
    if (await evaluateIfDue(first)) await save(first);
    let last = first;
    for (const { step, epoch, batches } of updatesFrom(first, length, data.lengths, options)) {
      if (best?.isExhausted) break;
      const { metrics, samples } = await backward(engine, data, batches, ranks);
      const { loss } = metrics;
      const learningRate = rate(step);
      const gradNorm = Number.isFinite(loss) ? await engine.update(step, learningRate) : undefined;
      if (gradNorm === undefined || !Number.isFinite(gradNorm)) {
        const failed = { step, loss, gradNorm, batches: ownParts(data, batches, ranks) };
        throw await nonFiniteError(objective, options, state, failed);
      }
      pace.update(samples);

      last = step;
      const { seconds, samplesPerSecond, secondsLeft } = pace.now();
      emit({
        ...{ type: 'step', step, totalSteps, epoch, loss, learningRate, gradNorm },
        ...{ samples, seconds, samplesPerSecond, secondsLeft },
      });
      const entry = log.update({ step, epoch, metrics, learningRate, gradNorm });
      if (entry !== undefined) emit({ type: 'log', entry, totalSteps });
      // Updates of a small model never leave the thread: signals and timers get their turn here.
      await nextTurn();
      const isBest = !(await isStopping()) && (await evaluateIfDue(step));
      const stops = await isStopping();
      const isSaved = isDue(step, options.saveSteps) && step < totalSteps;
      if (stops || isSaved || isBest) await save(step);
      if (stops) throw new TrainingStopped(step);
    }
    const isEarly = last < totalSteps;
    if (isEarly) emit({ type: 'stopped-early', step: last, evaluations: best!.record.misses });
    if (options.best?.load && isFirst) await loadBest(state, options.best.metric, best!.record, last, hooks);

    requireFiniteParameters(state, last);
    const { seconds, samplesPerSecond } = pace.now();
    const result: TrainingResult = {
      epoch: last / updatesPerEpoch,
      step: last,
      train_loss: log.meanLoss,
      train_runtime: seconds,
      train_samples: data.lengths.length,
      train_samples_per_second: samplesPerSecond,
      train_steps_per_second: (last - first) / seconds,
      ...(isEarly ? { stopped_early: true } : {}),
    };
    emit({ type: 'end', result });
    return { state, progress: progressAt(last), result };
  } finally {
    await engine.release();
  }
}

/** Goes back to the weights of the best evaluation, unless they are those of the last update. */
async function loadBest(
  state: TrainingState,
  metric: string,
  { step, value }: BestRecord,
  last: number,
  { load, onEvent }: TrainingHooks,
): Promise<void> {
  if (step === undefined || value === undefined || step === last) return;
  if (await load?.(state, step)) onEvent?.({ type: 'best-loaded', step, metric, value });
  else {
    const text = `the weights of update ${step}, the best, are gone: the model is that of update ${last}`;
    onEvent?.({ type: 'warning', text });
  }
}

/** The learning rate of each update, numbered from 1. */
function learningRates(options: TrainingOptions, totalSteps: number): (step: number) => number {
  const { learningRate, scheduleSteps = totalSteps, warmupSteps, warmupRatio } = options;
  const warmup = warmupSteps > 0 ? warmupSteps : Math.ceil(scheduleSteps * warmupRatio);
  const factor = schedule(options.schedule, warmup, scheduleSteps);
  return (step) => learningRate * factor(step - 1);
}
