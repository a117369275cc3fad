/**
 * What a training run prints, on stderr: on a terminal a view of a few lines that is rewritten in place, with lines that
 * stay above it; elsewhere a plain line for each entry of the log.
 */
import { createLogUpdate } from 'log-update';
import type { TrainingEvent } from '../training/index.ts';
import { formatDuration } from './durations.ts';
import { trainingView, type TrainingView } from './training-view.ts';

const REDRAW_MILLISECONDS = 100;
/** Losses that the view draws. */
const SHOWN_LOSSES = 480;

/** Where a report goes: `process.stderr`, or a stand-in. */
export interface ReportStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A view in place: drawn anew by a call, with lines that stay above it. */
type LiveView = ReturnType<typeof createLogUpdate>;
type Evaluation = TrainingEvent & { readonly type: 'evaluation' };

export class TrainingReporter {
  readonly #stream: ReportStream;
  readonly #examples: string;
  readonly #live: LiveView | undefined;
  #view: TrainingView | undefined;
  #losses: number[] = [];
  #drawnAt = -Infinity;
  /** Of the last update: samples a second, and time left. */
  #speed = '';
  #evaluation: string | undefined;

  /** @param examples what the data's examples are called */
  constructor(stream: ReportStream = process.stderr, examples = 'windows') {
    this.#stream = stream;
    this.#examples = examples;
    if (stream.isTTY) this.#live = createLogUpdate(stream as unknown as NodeJS.WritableStream);
  }

  report(event: TrainingEvent): void {
    switch (event.type) {
      case 'begin': {
        this.#losses = [];
        this.#evaluation = undefined;
        const resumed = event.step > 0 ? `, resumed at ${event.step}` : '';
        this.note(`${event.examples} ${this.#examples}, ${event.totalSteps} updates${resumed}`);
        break;
      }
      case 'step':
        this.#step(event);
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
      case 'evaluation':
        this.#evaluate(event);
        break;
      case 'stopped-early':
        this.note(`stopped after update ${event.step}: ${event.evaluations} evaluations without improvement`);
        break;
      case 'best-loaded':
        this.note(
          `the weights of update ${event.step} are the best, with ${event.metric} ${rounded(event.value)}`,
        );
        break;
      case 'warning':
        this.warn(event.text);
        break;
      case 'saved':
        this.note(`checkpoint-${event.step} written`);
        break;
      case 'end': {
        const { step, train_runtime, train_samples_per_second, train_loss } = event.result;
        this.end();
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
    if (this.#live === undefined || this.#view === undefined) this.#stream.write(`${text}\n`);
    else {
      this.#live.persist(text);
      this.#draw(this.#view);
    }
  }

  warn(text: string): void {
    this.note(`warning: ${text}`);
  }

  /** Leaves the view as it is, and gives the cursor back. To be called whenever a run is over, however it ended. */
  end(): void {
    if (this.#view === undefined) return;
    this.#draw(this.#view);
    this.#view = undefined;
    this.#live?.done();
  }

  #step(event: TrainingEvent & { readonly type: 'step' }): void {
    const { samplesPerSecond, secondsLeft } = event;
    this.#speed = `${samplesPerSecond.toFixed(2)} samples/s  ${formatDuration(secondsLeft)} left`;
    if (this.#live === undefined) return;
    this.#losses.push(event.loss);
    if (this.#losses.length > 2 * SHOWN_LOSSES) this.#losses = this.#losses.slice(-SHOWN_LOSSES);
    const now = performance.now();
    if (event.step < event.totalSteps && now - this.#drawnAt < REDRAW_MILLISECONDS) return;
    this.#drawnAt = now;
    const evaluation = this.#evaluation === undefined ? {} : { evaluation: this.#evaluation };
    const memoryBytes = process.memoryUsage.rss();
    this.#view = { ...event, losses: this.#losses.slice(-SHOWN_LOSSES), memoryBytes, ...evaluation };
    this.#draw(this.#view);
  }

  #evaluate({ entry, totalSteps, best }: Evaluation): void {
    const { step } = entry;
    const metrics = Object.entries(entry).filter(([name]) => name.startsWith('eval_'));
    const shown = metrics.map(([name, value]) => `${name} ${rounded(value)}`);
    const isBest = best?.step === step ? `  (the best ${best.metric})` : '';
    const name = best?.metric ?? ['eval_f1', 'eval_loss'].find((known) => known in entry) ?? metrics[0]?.[0];
    const value = Object.entries(entry).find(([candidate]) => candidate === name)?.[1];
    if (name !== undefined && value !== undefined) {
      const before =
        best === undefined || best.step === step ? '' : `, best ${rounded(best.value)} at ${best.step}`;
      const evaluation = `${name} ${rounded(value)} at ${step}${before}`;
      this.#evaluation = evaluation;
      if (this.#view !== undefined) this.#view = { ...this.#view, evaluation };
    }
    this.note(`step ${step}/${totalSteps}  ${shown.join('  ')}${isBest}`);
  }

  #draw(view: TrainingView): void {
    this.#live?.(trainingView(view, this.#stream.columns ?? 80).join('\n'));
  }
}

const rounded = (value: number): number => Number(value.toFixed(4));
