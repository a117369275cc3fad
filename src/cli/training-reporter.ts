/**
 * What a training run prints, on stderr: on a terminal one line that is rewritten, with a bar, the loss, speed and time
 * left; elsewhere a plain line for each entry of the log.
 */
import type { TrainingEvent } from '../training/index.ts';

const BAR_WIDTH = 24;
const REDRAW_MILLISECONDS = 100;

/** Where a report goes: `process.stderr`, or a stand-in. */
export interface ReportStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class TrainingReporter {
  readonly #stream: ReportStream;
  readonly #examples: string;
  readonly #live: boolean;
  #line = '';
  #drawnAt = 0;
  /** Of the last update: samples a second, and time left. */
  #speed = '';

  /** @param examples what the data's examples are called */
  constructor(stream: ReportStream = process.stderr, examples = 'windows') {
    this.#stream = stream;
    this.#examples = examples;
    this.#live = stream.isTTY === true;
  }

  report(event: TrainingEvent): void {
    switch (event.type) {
      case 'begin': {
        const resumed = event.step > 0 ? `, resumed at ${event.step}` : '';
        this.note(`${event.examples} ${this.#examples}, ${event.totalSteps} updates${resumed}`);
        break;
      }
      case 'step':
        this.#drawProgress(event);
        break;
      case 'log': {
        const { step, epoch, loss, learning_rate, grad_norm, ...metrics } = event.entry;
        const more = Object.entries(metrics).map(([name, value]) => `  ${name} ${value.toFixed(4)}`);
        this.note(
          `step ${step}/${event.totalSteps}  epoch ${epoch.toFixed(2)}  loss ${loss.toFixed(4)}  ` +
            `learning rate ${learning_rate.toExponential(2)}  gradient norm ${grad_norm.toFixed(2)}${more.join('')}  ${this.#speed}`,
        );
        break;
      }
      case 'evaluation': {
        const { step } = event.entry;
        const metrics = Object.entries(event.entry).filter(([name]) => name.startsWith('eval_'));
        const shown = metrics.map(([name, value]) => `${name} ${Number(value.toFixed(4))}`);
        this.note(`step ${step}/${event.totalSteps}  ${shown.join('  ')}`);
        break;
      }
      case 'warning':
        this.warn(event.text);
        break;
      case 'saved':
        this.note(`checkpoint-${event.step} written`);
        break;
      case 'end': {
        const { step, train_runtime, train_samples_per_second, train_loss } = event.result;
        this.note(
          `${step} updates in ${formatDuration(train_runtime)}, ` +
            `${train_samples_per_second.toFixed(2)} samples/s, mean loss ${train_loss.toFixed(4)}`,
        );
        break;
      }
    }
  }

  /** A line that stays. */
  note(text: string): void {
    if (this.#line !== '') this.#stream.write('\r\x1b[K');
    this.#stream.write(`${text}\n`);
    this.#stream.write(this.#line);
  }

  warn(text: string): void {
    this.note(`warning: ${text}`);
  }

  #drawProgress(event: TrainingEvent & { type: 'step' }): void {
    const { step, totalSteps, loss, samplesPerSecond, secondsLeft } = event;
    this.#speed = `${samplesPerSecond.toFixed(2)} samples/s  ${formatDuration(secondsLeft)} left`;
    if (!this.#live) return;
    const done = step === totalSteps;
    const now = performance.now();
    if (!done && now - this.#drawnAt < REDRAW_MILLISECONDS) return;
    this.#drawnAt = now;
    const filled = Math.round((step / totalSteps) * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const text = `${bar} ${step}/${totalSteps}  loss ${loss.toFixed(4)}  ${this.#speed}`;
    this.#line = text.slice(0, (this.#stream.columns ?? 80) - 1);
    this.#stream.write(`\r\x1b[K${this.#line}`);
    if (done) {
      this.#stream.write('\n');
      this.#line = '';
    }
  }
}

/** `1:02:03` or `2:03` */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}
