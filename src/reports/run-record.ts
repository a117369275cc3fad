/**
 * `report.json`: all that `report.html` shows, so that a run that is resumed goes on with the report of its beginning.
 * The record is as it stands in the file, names included.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { readTextFileIfPresent } from '../checkpoint/index.ts';
import { BertramError } from '../support/errors.ts';

export const RECORD_FILE = 'report.json';

/** JSON has no other numbers: a loss that is not finite is null, and is read as NaN. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);
const count = z.int().nonnegative();

const hashedFile = z.object({ role: z.string(), path: z.string(), bytes: count, sha256: z.string() });
const settings = z.record(z.string(), z.string());

/** From a start of the program to its end. */
const session = z.object({
  began: z.string(),
  ended: z.string().optional(),
  command: z.string(),
  first_step: count,
  last_step: count,
  /** In the training loop. */
  seconds: number,
  peak_memory_bytes: count,
  environment: settings,
});

const updatePoint = z.object({
  step: count,
  updates: count,
  loss: number,
  learning_rate: number,
  grad_norm: number,
  samples: number,
  seconds: number,
});

const runRecord = z.object({
  title: z.string(),
  task: z.string(),
  state: z.enum(['running', 'finished', 'stopped', 'failed']),
  examples: count,
  total_steps: count,
  configuration: settings,
  files: z.array(hashedFile),
  sessions: z.array(session),
  updates: z.array(updatePoint),
  log_history: z.array(z.object({ step: count, epoch: number }).catchall(number)),
  checkpoints: z.array(count),
  best: z.object({ step: count, metric: z.string(), value: number }).optional(),
  notes: z.array(z.string()),
});

export type HashedFile = z.output<typeof hashedFile>;
export type Settings = z.output<typeof settings>;
export type Session = z.output<typeof session>;
export type RunRecord = z.output<typeof runRecord>;

/** The record that an earlier session left in a directory. @throws BertramError `bad-input` for one that is malformed */
export async function readRunRecord(directory: string): Promise<RunRecord | undefined> {
  const path = join(directory, RECORD_FILE);
  const text = await readTextFileIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return runRecord.parse(JSON.parse(text));
  } catch {
    throw new BertramError('bad-input', `${path}: expected the record of a run, got other content`);
  }
}

/** What was recorded up to a step: a run that is resumed there makes the later ones anew. */
export function recordUpTo(record: RunRecord, step: number): RunRecord {
  const until = <Item extends { readonly step: number }>(items: readonly Item[]): Item[] =>
    items.filter((item) => item.step <= step);
  return {
    ...record,
    updates: until(record.updates),
    log_history: until(record.log_history),
    checkpoints: record.checkpoints.filter((checkpoint) => checkpoint <= step),
    best: record.best !== undefined && record.best.step <= step ? record.best : undefined,
  };
}
