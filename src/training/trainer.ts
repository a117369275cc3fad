/**
 * The training loop: batches, accumulation, schedule, logging, evaluation, checkpoints, resuming and stopping. It knows
 * no model and no file format; the task brings an objective, data, and a way to save.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isTrueOnAny, singleProcess, type Communicator } from '../distributed/index.ts';
import { schedule } from '../optim/index.ts';
import { badInput, isAbort } from '../support/errors.ts';
import { BestModel } from './best-model.ts';
import type { Objective } from './gradient-graph.ts';
import { nonFiniteError, requireFiniteParameters } from './non-finite.ts';
import { Pace } from './pace.ts';
import { runSettings, type RunSettings } from './run-settings.ts';
import { checkResumed, positionAfter } from './run-state.ts';
import { gatherMoments, shareStart } from './state-transfer.ts';
import { TrainStep } from './train-step.ts';
import type { TrainingData } from './training-data.ts';
import type { TrainingEvent, TrainingHooks, TrainingProgress, TrainingResult } from './training-hooks.ts';
import { TrainingLog, type EvaluationMetrics } from './training-log.ts';
import {
  checkTrainingOptions,
  runLength,
  type Interval,
  type RunLength,
  type TrainingOptions,
} from './training-options.ts';
import type { TrainingState } from './training-state.ts';
import { TrainingStopped } from './training-stopped.ts';
import { backward, ownParts, updatesFrom, type Update } from './updates.ts';

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
  const length = runLength(data.lengths.length, options);
  const engine = await TrainStep.create(objective, options);
  try {
    const { state } = engine;
    const resumed = await shareStart(state, ranks, engine.ownSlice, () => hooks.initialize(state));
    const run = new Run({ objective, data, options, ranks, hooks, length, engine, resumed });
    const result = await run.toItsEnd();
    return { state, progress: run.progressAt(result.step), result };
  } finally {
    await engine.release();
  }
}

/** What a run is made of. */
interface RunParts {
  readonly objective: Objective;
  readonly data: TrainingData;
  /** The batch size is that of all ranks together. */
  readonly options: TrainingOptions;
  readonly ranks: Communicator;
  readonly hooks: TrainingHooks;
  readonly length: RunLength;
  readonly engine: TrainStep;
  /** Where a run that is resumed goes on. */
  readonly resumed: TrainingProgress | undefined;
}

class Run {
  readonly #parts: RunParts;
  /** Updates that were made before. */
  readonly #first: number;
  readonly #settings: RunSettings;
  readonly #rate: (step: number) => number;
  readonly #log: TrainingLog;
  readonly #best: BestModel | undefined;
  readonly #pace: Pace;

  /** @throws BertramError `bad-input` where what is resumed is another run, or beyond the end of this one */
  constructor(parts: RunParts) {
    const { objective, data, options, length, resumed } = parts;
    const { totalSteps } = length;
    this.#parts = parts;
    this.#first = resumed?.step ?? 0;
    if (this.#first > totalSteps)
      badInput('training: checkpoint', `at most the run's ${totalSteps} updates`, String(this.#first));
    this.#settings = runSettings(objective, data, options, totalSteps);
    this.#rate = learningRates(options, totalSteps);
    this.#log = new TrainingLog(options.loggingSteps, resumed);
    this.#best = options.best && new BestModel(options.best, resumed?.best);
    if (resumed !== undefined)
      for (const text of checkResumed(resumed, this.#settings, length)) this.#emit({ type: 'warning', text });
    this.#emit({ type: 'begin', examples: data.lengths.length, totalSteps, step: this.#first });
    this.#pace = new Pace(totalSteps - this.#first);
  }

  async toItsEnd(): Promise<TrainingResult> {
    const { data, options, length } = this.#parts;
    // One that was stopped right after an update, or in its evaluation, has not been judged.
    const isFirstBest = await this.#evaluateIfDue(this.#first);
    if (await this.#isStopping()) throw new TrainingStopped(this.#first);
    if (isFirstBest) await this.#save(this.#first);
    let last = this.#first;
    for (const update of updatesFrom(this.#first, length, data.lengths, options)) {
      if (this.#best?.isExhausted) break;
      await this.#make(update);
      last = update.step;
      // Updates of a small model never leave the thread: signals and timers get their turn here.
      await nextTurn();
      const isBest = await this.#evaluateIfDue(last);
      const stops = await this.#isStopping();
      const isSaved = this.#isDue(last, options.saveSteps) && last < length.totalSteps;
      if (stops || isSaved || isBest) await this.#save(last);
      if (stops) throw new TrainingStopped(last);
    }
    const stoppedEarly = last < length.totalSteps;
    if (stoppedEarly)
      this.#emit({ type: 'stopped-early', step: last, evaluations: this.#best!.record.misses });
    await this.#loadBest(last);
    requireFiniteParameters(this.#parts.engine.state, last);
    const result = this.#resultAfter(last, stoppedEarly);
    this.#emit({ type: 'end', result });
    return result;
  }

  progressAt(step: number): TrainingProgress {
    const { options, length } = this.#parts;
    return {
      ...{ step, totalSteps: length.totalSteps, settings: this.#settings },
      ...{ position: positionAfter(step, length), logHistory: this.#log.history },
      ...{ logSums: this.#log.sums, options },
      ...(this.#best === undefined ? {} : { best: this.#best.record }),
    };
  }

  /** One update: gradients of its batches, the new weights, and a word of it. */
  async #make({ step, epoch, batches }: Update): Promise<void> {
    const { objective, data, options, ranks, engine, length } = this.#parts;
    const { totalSteps } = length;
    const { metrics, samples } = await backward(engine, data, batches, ranks);
    const { loss } = metrics;
    const learningRate = this.#rate(step);
    const gradNorm = Number.isFinite(loss) ? await engine.update(step, learningRate) : undefined;
    if (gradNorm === undefined || !Number.isFinite(gradNorm)) {
      const failed = { step, loss, gradNorm, batches: ownParts(data, batches, ranks) };
      throw await nonFiniteError(objective, options, engine.state, failed);
    }
    this.#pace.update(samples);
    const { seconds, samplesPerSecond, secondsLeft } = this.#pace.now();
    this.#emit({
      ...{ type: 'step', step, totalSteps, epoch, loss, learningRate, gradNorm },
      ...{ samples, seconds, samplesPerSecond, secondsLeft },
    });
    const entry = this.#log.update({ step, epoch, metrics, learningRate, gradNorm });
    if (entry !== undefined) this.#emit({ type: 'log', entry, totalSteps });
  }

  /**
   * A run that is asked to stop makes no evaluation, and leaves the one under way.
   *
   * @returns whether this update's weights are the best so far, and are to be kept as such
   */
  async #evaluateIfDue(step: number): Promise<boolean> {
    const { options, hooks, engine, length } = this.#parts;
    const { totalSteps, updatesPerEpoch } = length;
    const isWanted = step === totalSteps || this.#isDue(step, options.evalSteps);
    if (hooks.evaluate === undefined || !isWanted || step === 0 || this.#log.hasEvaluation(step))
      return false;
    if (await this.#isStopping()) return false;
    const evaluated = await this.#pace.pause(this.#unlessStopped(hooks.evaluate(engine.state, hooks.signal)));
    if (evaluated === undefined) return false;
    const entry = this.#log.evaluation(evaluated, { step, epoch: step / updatesPerEpoch });
    const isBest = this.#best?.judge(entry) === true;
    this.#emit({ type: 'evaluation', entry, totalSteps, ...(this.#best && { best: this.#best.named }) });
    return isBest && options.best?.load === true;
  }

  /** @returns nothing where the request to stop has cut it short */
  async #unlessStopped(evaluation: Promise<EvaluationMetrics>): Promise<EvaluationMetrics | undefined> {
    try {
      return await evaluation;
    } catch (error) {
      if (isAbort(error) && (await this.#isStopping())) return undefined;
      throw error;
    }
  }

  async #save(step: number): Promise<void> {
    const { ranks, hooks, engine } = this.#parts;
    requireFiniteParameters(engine.state, step);
    await gatherMoments(engine.state, ranks, engine.ownSlice, async () => {
      await hooks.save(engine.state, this.progressAt(step));
      this.#emit({ type: 'saved', step });
    });
  }

  /** Where the run is to end with its best weights: goes back to them, unless they are those of the last update. */
  async #loadBest(last: number): Promise<void> {
    const { options, ranks, hooks, engine } = this.#parts;
    if (this.#best === undefined || !options.best?.load || ranks.rank > 0) return;
    const { metric } = options.best;
    const { step, value } = this.#best.record;
    if (step === undefined || value === undefined || step === last) return;
    if (await hooks.load?.(engine.state, step)) this.#emit({ type: 'best-loaded', step, metric, value });
    else {
      const text = `the weights of update ${step}, the best, are gone: the model is that of update ${last}`;
      this.#emit({ type: 'warning', text });
    }
  }

  #resultAfter(last: number, stoppedEarly: boolean): TrainingResult {
    const { data, length } = this.#parts;
    const { seconds, samplesPerSecond } = this.#pace.now();
    return {
      epoch: last / length.updatesPerEpoch,
      step: last,
      train_loss: this.#log.meanLoss,
      train_runtime: seconds,
      train_samples: data.lengths.length,
      train_samples_per_second: samplesPerSecond,
      train_steps_per_second: (last - this.#first) / seconds,
      ...(stoppedEarly ? { stopped_early: true } : {}),
    };
  }

  /** All ranks stop when one of them is asked to, after the same update. */
  #isStopping(): Promise<boolean> {
    const { ranks, hooks } = this.#parts;
    return isTrueOnAny(ranks, hooks.signal?.aborted === true);
  }

  #isDue(step: number, every: Interval = 0): boolean {
    const updates = every === 'epoch' ? this.#parts.length.updatesPerEpoch : every;
    return updates > 0 && step % updates === 0;
  }

  #emit(event: TrainingEvent): void {
    const { ranks, hooks } = this.#parts;
    if (ranks.rank === 0) hooks.onEvent?.(event);
  }
}

/** The learning rate of each update, numbered from 1. */
function learningRates(options: TrainingOptions, totalSteps: number): (step: number) => number {
  const { learningRate, scheduleSteps = totalSteps, warmupSteps, warmupRatio } = options;
  const warmup = warmupSteps > 0 ? warmupSteps : Math.ceil(scheduleSteps * warmupRatio);
  const factor = schedule(options.schedule, warmup, scheduleSteps);
  return (step) => learningRate * factor(step - 1);
}
