/** What runs with different seeds have in common: mean and deviation of every metric. */

export interface SeedRun {
  readonly seed: number;
  readonly directory: string;
  /** By name; those of the evaluation begin with `eval_`. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface MetricSummary {
  readonly mean: number;
  /** The sample standard deviation, with n - 1; of one run there is none. */
  readonly std: number | null;
  readonly min: number;
  readonly max: number;
}

export type SeedSummary = Readonly<Record<string, MetricSummary>>;

/** Of the metrics that all runs have. There is at least one run. */
export function seedSummary(runs: readonly SeedRun[]): SeedSummary {
  const names = Object.keys(runs[0]!.metrics).filter((name) =>
    runs.every(({ metrics }) => Object.hasOwn(metrics, name)),
  );
  const summaries = names.map(
    (name) => [name, summaryOf(runs.map(({ metrics }) => metrics[name]!))] as const,
  );
  return Object.fromEntries(summaries);
}

function summaryOf(values: readonly number[]): MetricSummary {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, value) => total + value, 0);
  const mean = sum(values) / values.length;
  const squares = sum(values.map((value) => (value - mean) ** 2));
  const std = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null;
  return { mean, std, min: Math.min(...values), max: Math.max(...values) };
}

/** The run that is best by a metric; of equals, the first. */
export function bestRun(runs: readonly SeedRun[], metric: string, greaterIsBetter: boolean): SeedRun {
  const value = ({ metrics }: SeedRun): number => (greaterIsBetter ? 1 : -1) * (metrics[metric] ?? -Infinity);
  return runs.reduce((best, run) => (value(run) > value(best) ? run : best));
}

/** Lines of a table. */
export function seedTable(summary: SeedSummary, seeds: number): string[] {
  const cell = (value: number | null): string =>
    (value === null ? '' : String(Number(value.toPrecision(5)))).padStart(12);
  const width = Object.keys(summary).reduce((most, name) => Math.max(most, name.length), 0);
  const titles = ['mean', 'deviation', 'lowest', 'highest'].map((title) => title.padStart(12));
  const rows = Object.entries(summary).map(
    ([name, { mean, std, min, max }]) => `${name.padEnd(width)}${[mean, std, min, max].map(cell).join('')}`,
  );
  return [`${`${seeds} seeds`.padEnd(width)}${titles.join('')}`, ...rows];
}
