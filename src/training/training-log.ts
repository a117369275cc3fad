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

/** Sums over updates: of each metric. */
export interface MetricSums {
  readonly updates: number;
  readonly sums: Readonly<Record<string, number>>;
}

/** What a log knows besides its entries: a checkpoint keeps it, so that a resumed run writes the same entries. */
export interface LogSums {
  /** Of the updates since the entry before. */
  readonly sinceEntry: MetricSums;
  /** Of all updates of the run. */
  readonly run: MetricSums;
}

const NOTHING: MetricSums = { updates: 0, sums: {} };

export class TrainingLog {
  readonly #every: number;
  readonly #entries: (LogEntry | EvaluationEntry)[];
  #sinceEntry: MetricSums;
  #run: MetricSums;

  /**
   * @param every updates between entries; 0 makes none
   * @param resumed the entries and sums of a run that is resumed
   */
  constructor(every: number, resumed?: { readonly logHistory: LogHistory; readonly logSums: LogSums }) {
    this.#every = every;
    this.#entries = [...(resumed?.logHistory ?? [])];
    this.#sinceEntry = resumed?.logSums.sinceEntry ?? NOTHING;
    this.#run = resumed?.logSums.run ?? NOTHING;
  }

  get history(): LogHistory {
    return [...this.#entries];
  }

  get sums(): LogSums {
    return { sinceEntry: this.#sinceEntry, run: this.#run };
  }

  /** The mean over all updates of the run, those before it was resumed included. */
  get meanLoss(): number {
    return meansOf(this.#run)['loss'] ?? 0;
  }

  /** @returns the entry that is due with this update, if one is */
  update({ step, epoch, metrics, learningRate, gradNorm }: UpdateRecord): LogEntry | undefined {
    this.#run = added(this.#run, { loss: metrics.loss });
    if (this.#every === 0) return undefined;
    this.#sinceEntry = added(this.#sinceEntry, metrics);
    if (step % this.#every !== 0) return undefined;
    const means = meansOf(this.#sinceEntry) as BatchMetrics;
    this.#sinceEntry = NOTHING;
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

  /** Whether there was an evaluation after the update with this number. */
  hasEvaluation(step: number): boolean {
    return this.#entries.some((entry) => entry.step === step && !('loss' in entry));
  }
}

function added({ updates, sums }: MetricSums, metrics: Readonly<Record<string, number>>): MetricSums {
  const next = Object.entries(metrics).map(([name, value]) => [name, (sums[name] ?? 0) + value] as const);
  return { updates: updates + 1, sums: Object.fromEntries(next) };
}

/** Of each metric, the loss first. */
function meansOf({ updates, sums }: MetricSums): Readonly<Record<string, number>> {
  const { loss, ...others } = sums;
  if (loss === undefined) return {};
  const means = Object.entries({ loss, ...others }).map(([name, sum]) => [name, sum / updates] as const);
  return Object.fromEntries(means);
}
