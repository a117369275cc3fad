/** What a terminal shows of a run that trains: three lines, or as many of their parts as fit its width. */
import { formatDuration } from './durations.ts';

/** What is known of a run after an update. */
export interface TrainingView {
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly loss: number;
  /** The last ones, oldest first. */
  readonly losses: readonly number[];
  readonly learningRate: number;
  readonly gradNorm: number;
  readonly samplesPerSecond: number;
  readonly secondsLeft: number;
  /** Resident. */
  readonly memoryBytes: number;
  /** Of the last evaluation, and of the best: `f1 81.2 at 400`. */
  readonly evaluation?: string;
}

const BAR_WIDTH = 24;
const SPARKS = '▁▂▃▄▅▆▇█';
const SPARKLINE_WIDTH = 24;

/** @param columns of the terminal; a part of a line that does not fit is left out, with those after it */
export function trainingView(view: TrainingView, columns: number): string[] {
  const { step, totalSteps, epoch, loss, losses, learningRate, gradNorm } = view;
  const percent = Math.floor((100 * step) / totalSteps);
  return [
    [
      `${progressBar(step / totalSteps)} ${step}/${totalSteps}`,
      `${percent} %`,
      `${formatDuration(view.secondsLeft)} left`,
      `epoch ${epoch.toFixed(2)}`,
    ],
    [
      `loss ${loss.toFixed(4)}`,
      sparkline(losses, SPARKLINE_WIDTH),
      `learning rate ${learningRate.toExponential(2)}`,
      `gradient norm ${gradNorm.toFixed(2)}`,
    ],
    [
      `${view.samplesPerSecond.toFixed(2)} samples/s`,
      `${(view.memoryBytes / 1e9).toFixed(2)} GB`,
      ...(view.evaluation === undefined ? [] : [view.evaluation]),
    ],
  ].map((parts) => fitting(parts, columns - 1));
}

/** The first part is cut if need be. */
function fitting([first = '', ...others]: readonly string[], width: number): string {
  let line = first.slice(0, Math.max(0, width));
  for (const part of others) {
    if (line.length + 2 + part.length > width) break;
    line += `  ${part}`;
  }
  return line;
}

export function progressBar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
}

/**
 * Numbers as a row of bars, the lowest and the highest of them as low and as high as bars are:
 *
 *     sparkline([1, 2, 8, 4], 4) === '▁▂█▄'
 *
 * @param width more numbers than this are averaged in as many stretches
 */
export function sparkline(values: readonly number[], width: number): string {
  const finite = values.filter(Number.isFinite);
  const count = Math.min(width, finite.length);
  const means = Array.from({ length: count }, (_, i) => {
    const part = finite.slice(
      Math.floor((i * finite.length) / count),
      Math.floor(((i + 1) * finite.length) / count),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const height = (value: number): number => (most > least ? (value - least) / (most - least) : 0);
  return means.map((value) => SPARKS[Math.round(height(value) * (SPARKS.length - 1))]).join('');
}
