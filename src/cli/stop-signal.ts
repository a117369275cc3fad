/**
 * SIGINT and SIGTERM as a request to stop: a run that trains finishes its update, writes a checkpoint and ends. Whoever
 * does not want to wait for that presses Ctrl-C a second time.
 */

/** What shells give for a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

/** @param note prints a line: that the request has been heard */
export async function stoppable<Result>(
  note: (text: string) => void,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (!controller.signal.aborted) {
      const again = name === 'SIGINT' ? '; once more to stop at once, without one' : '';
      note(`${name}: stops with a checkpoint after this update${again}`);
      controller.abort();
    } else if (name === 'SIGINT') process.exit(EXIT_INTERRUPTED);
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
