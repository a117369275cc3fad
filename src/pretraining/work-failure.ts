/** Errors of the work of `prepare` as plain values, in which form they go to other threads and other ranks. */
import { BertramError, messageOf, type ErrorCode } from '../support/errors.ts';
import { BadLine } from './tokenized-text.ts';

export type WorkFailure =
  | { readonly code: ErrorCode; readonly message: string }
  | { readonly line: number; readonly expected: string; readonly got: string };

export function failureOf(error: unknown): WorkFailure {
  if (error instanceof BadLine) {
    const { line, expected, got } = error;
    return { line, expected, got };
  }
  const code = error instanceof BertramError ? error.code : 'failed';
  return { code, message: messageOf(error) };
}

export function errorOf(failure: WorkFailure): BadLine | BertramError {
  if ('line' in failure) return new BadLine(failure.line, failure.expected, failure.got);
  return new BertramError(failure.code, failure.message);
}
