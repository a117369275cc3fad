/**
 * The one error class of Bertram: what went wrong, told in a line that says where, what was expected and what came.
 *
 * The command line maps the code to its exit status: a wrong request (2) or work that failed (1).
 */
export type ErrorCode =
  /** The caller's input is malformed: a flag, a file, a checkpoint, a data set, a vocabulary. */
  | 'bad-input'
  /** A named file or directory does not exist or cannot be read. */
  | 'not-found'
  /** Shapes or data types of a graph operation do not fit. A programming error of the model's author. */
  | 'bad-graph'
  /** Work that was rightly asked for failed: a full disk, a non-finite loss, an engine failure. */
  | 'failed'
  /** Rightly asked for, but this build, machine or format cannot do it. */
  | 'unsupported';

export class BertramError extends Error {
  override readonly name = 'BertramError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether this is what an `AbortSignal` makes of work that it cuts short: no failure, since that was asked for. */
export function isAbort(error: unknown): error is DOMException {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Throws a `bad-input` error: `where: expected X, got Y`. */
export function badInput(where: string, expected: string, got: string): never {
  throw new BertramError('bad-input', `${where}: expected ${expected}, got ${got}`);
}

/** A value as it should appear in an error line: quoted, on one line, cut (and said to be cut) when long. */
export function shown(value: unknown, limit = 60): string {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : ((JSON.stringify(value) as string | undefined) ?? String(value));
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${String(text.length)} characters)`;
}

/** The message of anything thrown, on one line, for wrapping errors of libraries. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
}
