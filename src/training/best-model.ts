/**
 * Which evaluation of a run was the best, and when the run has not improved for too long: the rules of transformers'
 * `load_best_model_at_end` (`Trainer._determine_best_metric`) and its `EarlyStoppingCallback`.
 */
import { badInput } from '../support/errors.ts';
import type { EvaluationEntry } from './training-log.ts';

export interface BestModelOptions {
  /** A metric of the evaluations, such as `eval_f1`. */
  readonly metric: `eval_${string}`;
  readonly greaterIsBetter: boolean;
  /** Save after the best evaluation, keep that checkpoint, and end with its weights. */
  readonly load: boolean;
  /** Evaluations in a row without an improvement after which the run stops; never unless told. */
  readonly patience?: number;
  /** What an improvement must exceed to be one for `patience`; 0 unless told. A smaller one still makes the best model. */
  readonly threshold?: number;
}

/** What a resumed run goes on with. */
export interface BestRecord {
  /** The metric at its best, and the update after which that was; neither before the first evaluation. */
  readonly value: number | undefined;
  readonly step: number | undefined;
  /** Evaluations in a row without an improvement, up to the last one. */
  readonly misses: number;
}

const NONE: BestRecord = { value: undefined, step: undefined, misses: 0 };

export class BestModel {
  readonly #options: BestModelOptions;
  #record: BestRecord;

  constructor(options: BestModelOptions, resumed: BestRecord = NONE) {
    this.#options = options;
    this.#record = resumed;
  }

  get record(): BestRecord {
    return this.#record;
  }

  /** The best so far, of which there is one once something was judged, by the name of its metric. */
  get named(): { readonly step: number; readonly metric: string; readonly value: number } {
    const { step = 0, value = NaN } = this.#record;
    return { step, metric: this.#options.metric, value };
  }

  /** Whether it has not improved for as many evaluations as `patience` says. */
  get isExhausted(): boolean {
    return this.#record.misses >= (this.#options.patience ?? Infinity);
  }

  /**
   * @returns whether this evaluation is the best so far
   * @throws BertramError `bad-input` when it has no such metric
   */
  judge(entry: EvaluationEntry): boolean {
    const { metric, greaterIsBetter, threshold = 0 } = this.#options;
    const value = entry[metric];
    if (value === undefined) {
      const known = Object.keys(entry).filter((name) => name.startsWith('eval_'));
      badInput('metric_for_best_model', `one of ${known.join(', ')}`, metric);
    }
    const { value: best, misses } = this.#record;
    const gain = best === undefined ? Infinity : greaterIsBetter ? value - best : best - value;
    const isBest = gain > 0;
    this.#record = {
      ...(isBest ? { value, step: entry.step } : this.#record),
      misses: isBest && gain > threshold ? 0 : misses + 1,
    };
    return isBest;
  }
}
