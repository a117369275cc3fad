/**
 * SIGINT and SIGTERM as a request to stop: a run that trains finishes its update, writes a checkpoint and ends. Whoever
 * does not want to wait for that presses Ctrl-C a second time.
 */

/** What shells give for a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

/**
 * A signal that comes sooner than this after the first is the same one: a terminal sends Ctrl-C to npx and to its child,
 * and npx and mpirun pass it on to the child as well.
 */
const ECHO_MILLISECONDS = 500;

/** @param note prints a line: that the request has been heard */
export async function stoppable<Result>(
  note: (text: string) => void,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  let heardAt = 0;
  const stop = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      const again = name === 'SIGINT' ? '; once more to stop at once, without one' : '';
      note(`${name}: stops with a checkpoint after this update${again}`);
      heardAt = performance.now();
      controller.abort();
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
