/** What the tests of programs share: small arrays, and refusals as text. */
import { expect } from 'vitest';
import type { HostTensor } from '../../src/runtime/index.ts';
import { BertramError, type ErrorCode } from '../../src/support/errors.ts';

/** 1, 2, 3, … */
export const floats = (...shape: number[]): HostTensor<Float32Array> => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
  shape,
});

export const vector = (...values: number[]): HostTensor<Float32Array> => ({
  data: Float32Array.from(values),
  shape: [values.length],
});

/** The message that an attempt fails with, without the numbers of nodes, lines and columns. */
export async function refusal(
  attempt: () => Promise<unknown>,
  code: ErrorCode = 'bad-graph',
): Promise<string> {
  const error: unknown = await attempt().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BertramError);
  expect((error as BertramError).code).toBe(code);
  const message = (error as Error).message.replace(/\(\S*\/(test\/\S+):\d+:\d+\)/, '($1)');
  return message.replace(/([A-Za-z]+)_\d+/g, '$1_N');
}
