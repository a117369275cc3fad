/** The log of a run, `log_history` in transformers' form: an entry for every so many updates, and one for each evaluation. */
import type { BatchMetrics } from './train-step.ts';

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
  /** Means over these updates of what else the objective tells, such as `mlm_loss`. */
  readonly [metric: string]: number;
}

/** Losses and accuracies on data that is not trained on, by names that begin with `eval_`. */
export type EvaluationMetrics = Readonly<Record<`eval_${string}`, number>>;
export type EvaluationEntry = EvaluationMetrics & { readonly step: number; readonly epoch: number };

export type LogHistory = readonly (LogEntry | EvaluationEntry)[];

/** What one update was. */
export interface UpdateRecord {
  readonly step: number;
  readonly epoch: number;
  readonly metrics: BatchMetrics;
  readonly learningRate: number;
  readonly gradNorm: number;
}

export class TrainingLog {
  readonly #every: number;
  readonly #entries: (LogEntry | EvaluationEntry)[];
  #sinceEntry: BatchMetrics[] = [];
  #totalLoss = 0;
  #updates = 0;

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
    return this.#updates > 0 ? this.#totalLoss / this.#updates : 0;
  }

  /** @returns the entry that is due with this update, if one is */
  update({ step, epoch, metrics, learningRate, gradNorm }: UpdateRecord): LogEntry | undefined {
    this.#totalLoss += metrics.loss;
    this.#updates += 1;
    if (this.#every === 0) return undefined;
    this.#sinceEntry.push(metrics);
    if (step % this.#every !== 0) return undefined;
    const means = meansOf(this.#sinceEntry);
    this.#sinceEntry = [];
    const entry = { step, epoch, ...means, learning_rate: learningRate, grad_norm: gradNorm };
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

/** Of each metric. There is at least one update. */
function meansOf(updates: readonly BatchMetrics[]): BatchMetrics {
  const mean = (name: string): number =>
    updates.reduce((sum, metrics) => sum + metrics[name]!, 0) / updates.length;
  return {
    loss: mean('loss'),
    ...Object.fromEntries(Object.keys(updates[0]!).map((name) => [name, mean(name)])),
  };
}
