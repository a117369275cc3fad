/**
 * SIGINT and SIGTERM as a request to stop: a run that trains finishes its update, writes a checkpoint and ends; an
 * evaluation is left. Whoever does not want to wait for that presses Ctrl-C a second time.
 */

/** What shells give for a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

/**
 * A signal that comes sooner than this after the first is the same one: a terminal sends Ctrl-C to npx and to its child,
 * and npx and mpirun pass it on to the child as well.
 */
const ECHO_MILLISECONDS = 500;

/** How work answers the request. */
export interface Stopping {
  /** What is said at once. */
  readonly announcement: string;
  /** What is said at its end by work that ends where it is, with this as the reason. */
  readonly reason?: string;
}

const AFTER_THE_UPDATE: Stopping = { announcement: 'stops with a checkpoint after this update' };

/** @param note prints a line: that the request has been heard */
export async function stoppable<Result>(
  note: (text: string) => void,
  work: (signal: AbortSignal) => Promise<Result>,
  { announcement, reason }: Stopping = AFTER_THE_UPDATE,
): Promise<Result> {
  const controller = new AbortController();
  let heardAt = 0;
  const stop = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      const again = name === 'SIGINT' ? '; once more to stop at once' : '';
      note(`${name}: ${announcement}${again}`);
      heardAt = performance.now();
      controller.abort(reason === undefined ? undefined : new DOMException(reason, 'AbortError'));
    } else if (name === 'SIGINT' && performance.now() - heardAt > ECHO_MILLISECONDS) {
      process.exit(EXIT_INTERRUPTED);
    }
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
