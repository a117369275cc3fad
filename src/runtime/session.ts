/** What programs need of ONNX Runtime, whichever way it is called. */
import type { LoweredModel } from '../onnx/index.ts';
import type { HostTensor } from './host-tensor.ts';

/**
 * The ways to call it. `native` is its C API: results are written where the caller wants them, and runs do not block
 * the event loop. `binding` is its npm package: the only way in a browser, and the way out where the library of the
 * package cannot be called directly (docs/decisions/0011-engine-through-its-c-api.md).
 */
export type EngineName = 'native' | 'binding';

export interface Engine {
  readonly name: EngineName;
  /** Why this is not the native engine, where that was tried first. */
  readonly fallbackReason?: string;
  /** @throws Error with ONNX Runtime's message when the model is refused */
  open(model: LoweredModel, options: SessionOptions): Promise<Session>;
}

export interface SessionOptions {
  /** Threads inside one operation; the engine's choice (one a core) unless told. */
  readonly threads?: number;
  /**
   * Keep freed memory for the next run (fast, the default), or give it back to the system after each run: training of
   * large models peaks lower.
   */
  readonly keepMemory?: boolean;
  /** Writes the engine's time line of each operation to a file that begins with this name. */
  readonly profile?: string;
  /** Settings of the engine's own, such as `session.intra_op.allow_spinning`, by the names in its documentation. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Settings of all sessions. The engine's `ReshapeFusion` fails on a Reshape whose shape is computed while the program
 * runs, where another follows it (docs/decisions/0004-engine-facts.md).
 */
export const COMMON_SETTINGS: Readonly<Record<string, string>> = {
  'optimization.disable_specified_optimizers': 'ReshapeFusion',
};

/** A model that is ready to run. Feeds and results are in the order in which the model declares them. */
export interface Session {
  /**
   * @param feeds arrays that must neither change nor be transferred to another thread until the run is over
   * @param into where to write a result; a new array is made for results that have no place here
   * @throws Error with ONNX Runtime's message when the run fails
   */
  run(feeds: readonly HostTensor[], into: readonly (HostTensor | undefined)[]): Promise<HostTensor[]>;
  /** Waits for runs under way, and frees the memory of the session. */
  release(): Promise<void>;
  /** Ends the profile that was asked for when the session was opened, and writes it. */
  endProfiling(): void;
}

/** Thrown by a session's methods after `release`. */
export const RELEASED = 'Session already disposed.';
