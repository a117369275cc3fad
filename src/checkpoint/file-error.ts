/** Errors of the file system as one line of Bertram's: which file, what was tried, what the system said. */
import { getSystemErrorMap } from 'node:util';
import { BertramError, messageOf } from '../support/errors.ts';
import type { ErrorCode } from '../support/errors.ts';

/** System errors that the caller's request explains; all others are work that failed. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EACCES: 'bad-input',
  EPERM: 'bad-input',
  EROFS: 'bad-input',
  EISDIR: 'bad-input',
  ENAMETOOLONG: 'bad-input',
};

/**
 * Wraps anything thrown while working on a file; a {@link BertramError} is returned as it is.
 *
 * @param path the file as the user named it
 * @param action what was tried, such as `cannot be read`
 */
export function fileError(path: string, action: string, error: unknown): BertramError {
  if (error instanceof BertramError) return error;
  const code = systemCode(error);
  return new BertramError(CODES[code ?? ''] ?? 'failed', `${path}: ${action}: ${reasonOf(error)}`, {
    cause: error,
  });
}

/** The system's name of an error, such as `ENOENT`, if it is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** `no space left on device (ENOSPC)`, without the call and the path that Node's own message repeats. */
function reasonOf(error: unknown): string {
  const number = error instanceof Error && 'errno' in error ? error.errno : undefined;
  const known = typeof number === 'number' ? getSystemErrorMap().get(number) : undefined;
  return known === undefined ? messageOf(error) : `${known[1]} (${known[0]})`;
}
