/**
 * koffi (https://koffi.dev), which calls functions of C libraries, set up once for all of Bertram.
 *
 * koffi runs a foreign function on a stack that it allocates itself: 2 MiB, and 128 KiB for calls on another thread,
 * which is little for kernels that keep their tiles on the stack. These are as large as a thread's own. They can be
 * set only until the first library is loaded, so whoever loads one imports koffi from here.
 */
import koffi from 'koffi';

const STACK_BYTES = 8 * 2 ** 20;
if (koffi.config().async_stack_size !== STACK_BYTES)
  koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });

export { koffi };

/** A pointer. */
export type Address = bigint;

/** A C function: called in place, or (`async`) on a thread of libuv's pool, without blocking the event loop. */
export interface ForeignFunction<Parameters extends readonly unknown[], Result> {
  (...parameters: Parameters): Result;
  async(...parameters: [...Parameters, (error: Error | null, result: Result) => void]): void;
}

/**
 * Calls a function on another thread.
 *
 * What it is given the address of must stay reachable until the promise settles: koffi keeps no reference to it.
 */
export function callOnThread<Parameters extends readonly unknown[], Result>(
  target: ForeignFunction<Parameters, Result>,
  ...parameters: Parameters
): Promise<Result> {
  return new Promise((resolve, reject) => {
    target.async(...parameters, (error: Error | null, result: Result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}
