/** Signals as a request to stop. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stoppable } from '../../src/cli/stop-signal.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** What is said, and whether the work was asked to stop, when these come a second apart, or as many milliseconds as said. */
async function signalled(signals: readonly NodeJS.Signals[], apart = 1000) {
  const notes: string[] = [];
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  const aborted = await stoppable(
    (text) => notes.push(text),
    (signal) => {
      for (const name of signals) {
        process.emit(name, name);
        vi.advanceTimersByTime(apart);
      }
      return Promise.resolve(signal.aborted);
    },
  );
  const exits = exit.mock.calls.flat();
  exit.mockRestore();
  return { notes, aborted, exits };
}

describe('a run that can be stopped', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('is asked to by the first %s', async (name) => {
    const { notes, aborted, exits } = await signalled([name]);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(new RegExp(`^${name}: stops with a checkpoint after this update`));
    expect({ aborted, exits }).toEqual({ aborted: true, exits: [] });
  });

  it('ends at once by a second SIGINT, whichever came first', async () => {
    expect((await signalled(['SIGINT', 'SIGINT'])).exits).toEqual([130]);
    expect((await signalled(['SIGTERM', 'SIGINT'])).exits).toEqual([130]);
  });

  it('does not take one Ctrl-C for two, though npx passes it on to a child that has it already', async () => {
    expect((await signalled(['SIGINT', 'SIGINT'], 20)).exits).toEqual([]);
  });

  it('goes on saving when SIGTERM comes again, as schedulers send it', async () => {
    expect((await signalled(['SIGTERM', 'SIGTERM'])).exits).toEqual([]);
  });

  it('leaves signals alone when it is over', async () => {
    const before = process.listenerCount('SIGINT');
    await signalled([]);
    await expect(stoppable(vi.fn(), () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
