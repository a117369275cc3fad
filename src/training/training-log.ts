/** The log of a run, `log_history` in transformers' form: an entry for every so many updates, and one for each evaluation. */

/** Of the updates since the entry before. */
export interface LogEntry {
  readonly step: number;
  readonly epoch: number;
  /** The mean over these updates. */
  readonly loss: number;
  /** The one that the last update used. */
  readonly learning_rate: number;
  /** Of the last update, before clipping. */
  readonly grad_norm: number;
}

/** Losses and accuracies on data that is not trained on, by names that begin with `eval_`. */
export type EvaluationMetrics = Readonly<Record<`eval_${string}`, number>>;
export type EvaluationEntry = EvaluationMetrics & { readonly step: number; readonly epoch: number };

export type LogHistory = readonly (LogEntry | EvaluationEntry)[];

/** What one update was. */
export interface UpdateRecord {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradNorm: number;
}

export class TrainingLog {
  readonly #every: number;
  readonly #entries: (LogEntry | EvaluationEntry)[];
  #sinceEntry = { loss: 0, updates: 0 };
  #total = { loss: 0, updates: 0 };

  /**
   * @param every updates between entries; 0 makes none
   * @param entries those of a run that is resumed
   */
  constructor(every: number, entries: LogHistory = []) {
    this.#every = every;
    this.#entries = [...entries];
  }

  get history(): LogHistory {
    return [...this.#entries];
  }

  /** The mean over all updates of this run, those before it was resumed not counted. */
  get meanLoss(): number {
    return this.#total.updates > 0 ? this.#total.loss / this.#total.updates : 0;
  }

  /** @returns the entry that is due with this update, if one is */
  update({ step, epoch, loss, learningRate, gradNorm }: UpdateRecord): LogEntry | undefined {
    this.#total = plus(this.#total, loss);
    this.#sinceEntry = plus(this.#sinceEntry, loss);
    if (this.#every === 0 || step % this.#every !== 0) return undefined;
    const mean = this.#sinceEntry.loss / this.#sinceEntry.updates;
    const entry = { step, epoch, loss: mean, learning_rate: learningRate, grad_norm: gradNorm };
    this.#sinceEntry = { loss: 0, updates: 0 };
    this.#entries.push(entry);
    return entry;
  }

  evaluation(
    metrics: EvaluationMetrics,
    at: { readonly step: number; readonly epoch: number },
  ): EvaluationEntry {
    const entry = { step: at.step, epoch: at.epoch, ...metrics };
    this.#entries.push(entry);
    return entry;
  }
}

const plus = (sum: { readonly loss: number; readonly updates: number }, loss: number) => ({
  loss: sum.loss + loss,
  updates: sum.updates + 1,
});
