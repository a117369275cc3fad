/** The curves of a run: what is drawn of its record, and the same figures for a table. */
import { lineChart, type LineChartOptions, type Series } from '../charts/index.ts';
import type { RunRecord } from './run-record.ts';
import type { UpdatePoint } from './update-curve.ts';

export interface ReportChart {
  readonly title: string;
  readonly svg: string;
  readonly series: readonly Series[];
}

type Entry = RunRecord['log_history'][number];

/** Of an entry that are no curve: when it was, and what is in the other charts. */
const NOT_METRICS = new Set(['step', 'epoch', 'loss', 'learning_rate', 'grad_norm']);
/** Of evaluations: how long they took and on how much, and thresholds. */
const NO_SCORE = /(samples|runtime|per_second|predictions|total|thresh)$/;
const SIZE = { width: 720, height: 340 } as const;

/** Those that have anything to show. */
export function reportCharts(record: RunRecord): ReportChart[] {
  const { updates, log_history: log } = record;
  const ofUpdates = (name: string, value: (point: UpdatePoint) => number): Series => ({
    name,
    points: updates.map((point) => [point.step, value(point)]),
  });
  const evaluated = names(log, (name) => name.startsWith('eval_') && !NO_SCORE.test(name));
  const losses = evaluated.filter((name) => name.endsWith('loss'));
  const percents = evaluated.filter((name) => !losses.includes(name));
  const trained = names(log, (name) => !name.startsWith('eval_') && !NOT_METRICS.has(name));
  const charts = [
    chart('Loss', 'loss (nats)', [
      ofUpdates('training', ({ loss }) => loss),
      ...losses.map((name) => ofLog(log, name)),
    ]),
    chart(
      'Evaluation',
      scaleOf(log, percents),
      percents.map((name) => ofLog(log, name)),
    ),
    chart('Learning rate', 'learning rate', [ofUpdates('learning rate', (point) => point.learning_rate)]),
    chart('Gradient norm', 'norm before clipping', [ofUpdates('gradient norm', (point) => point.grad_norm)]),
    chart(
      'Throughput',
      'samples per second',
      [ofUpdates('samples per second', ({ samples, seconds }) => samples / seconds)],
      { fromZero: true },
    ),
    chart(
      'Training metrics',
      'mean over the updates of an entry',
      trained.map((name) => ofLog(log, name)),
    ),
  ];
  return charts.filter((candidate) => candidate !== undefined);
}

/** Names of all entries, in the order in which they come up. */
function names(log: readonly Entry[], accepts: (name: string) => boolean): string[] {
  return [...new Set(log.flatMap((entry) => Object.keys(entry)))].filter(accepts);
}

function ofLog(log: readonly Entry[], name: string): Series {
  const points = log.flatMap((entry) => {
    const value = entry[name];
    return value === undefined ? [] : [[entry.step, value] as const];
  });
  return { name: name.replace(/^eval_/, '').replaceAll('_', ' '), points };
}

/** Percents of questions, or shares such as accuracies. */
function scaleOf(log: readonly Entry[], metrics: readonly string[]): string {
  return log.some((entry) => metrics.some((name) => (entry[name] ?? 0) > 1)) ? 'percent' : 'share';
}

function chart(
  title: string,
  yLabel: string,
  series: readonly Series[],
  look: Pick<LineChartOptions, 'fromZero'> = {},
): ReportChart | undefined {
  const shown = series.filter(({ points }) => points.some(([, y]) => Number.isFinite(y)));
  if (shown.length === 0) return undefined;
  return {
    title,
    series: shown,
    svg: lineChart({ title, xLabel: 'update', yLabel, series: shown, ...SIZE, ...look }),
  };
}
