/** JSON files of a run, checked against a schema; what does not fit is told in one line. */
import type { z } from 'zod';
import { readTextFile } from '../checkpoint/index.ts';
import { badInput, BertramError, shown } from '../support/errors.ts';

/** @throws BertramError `not-found` when there is no such file; `bad-input` naming the first field that does not fit */
export async function readJsonFile<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await readTextFile(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    badInput(path, 'JSON', shown(text));
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path: field, message } = parsed.error.issues[0]!;
  const reason = message.replace(/^Invalid input: /, '');
  throw new BertramError('bad-input', `${path}: ${field.join('.')}: ${reason}`);
}
