/** What a run tells of itself, and what it asks of the task: where to begin, how to save and to evaluate. */
import type { BestRecord } from './best-model.ts';
import type { RunState } from './run-state.ts';
import type { EvaluationEntry, EvaluationMetrics, LogEntry, LogHistory } from './training-log.ts';
import type { TrainingOptions } from './training-options.ts';
import type { TrainingState } from './training-state.ts';

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
  /**
   * Judges the parameters on data that is not trained on. When the signal asks the run to stop, it may reject with the
   * signal's reason, on all ranks alike: the run that goes on from there makes the evaluation then.
   */
  readonly evaluate?: (state: TrainingState, signal?: AbortSignal) => Promise<EvaluationMetrics>;
  /** Reads the parameters that were saved after an update. Returns whether they are still there. */
  readonly load?: (state: TrainingState, step: number) => Promise<boolean>;
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Asks the run to stop: it finishes the update under way, or leaves an evaluation, saves, and throws `TrainingStopped`. */
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
