/** Progress of a long reading, on stderr: on a terminal a line that is rewritten, elsewhere a line now and then. */
import { formatDuration } from './durations.ts';
import type { ReportStream } from './training-reporter.ts';
import { progressBar } from './training-view.ts';

/** Work that is done sooner shows nothing. */
const QUIET_SECONDS = 1;
const REDRAW_SECONDS = 0.1;
/** Between lines where there is no terminal. */
const LINE_SECONDS = 30;

export class ProgressLine {
  readonly #stream: ReportStream;
  readonly #what: string;
  readonly #begin = performance.now();
  #drawnAt = 0;
  #isDrawn = false;

  /** @param what is being counted, such as `windows` */
  constructor(stream: ReportStream, what: string) {
    this.#stream = stream;
    this.#what = what;
  }

  /** @param total where it is known how much there is to do */
  update(done: number, total?: number): void {
    const seconds = (performance.now() - this.#begin) / 1000;
    const isTerminal = this.#stream.isTTY === true;
    const pause = isTerminal ? REDRAW_SECONDS : LINE_SECONDS;
    if (seconds < QUIET_SECONDS || seconds - this.#drawnAt < pause || done === total) return;
    this.#drawnAt = seconds;
    const speed = `${(done / seconds).toFixed(1)}/s`;
    const left = total === undefined ? '' : `  ${formatDuration((seconds / done) * (total - done))} left`;
    const text = `${total === undefined ? done : `${done}/${total}`} ${this.#what}  ${speed}${left}`;
    if (!isTerminal) {
      this.#stream.write(`${text}\n`);
      return;
    }
    const bar = total === undefined ? '' : `${progressBar(done / total)} `;
    this.#stream.write(`\r\x1b[K${(bar + text).slice(0, (this.#stream.columns ?? 80) - 1)}`);
    this.#isDrawn = true;
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#isDrawn) this.#stream.write('\r\x1b[K');
    this.#isDrawn = false;
  }
}
