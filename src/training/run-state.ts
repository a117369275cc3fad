/**
 * `run_state.json` of a checkpoint: what a resumed run needs besides weights, moments and the log, and what tells
 * whether it is the same run. The file has its fields in snake_case; this is the one place where they are mapped.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { FileToWrite } from '../checkpoint/index.ts';
import { readJsonFile } from './json-file.ts';
import { badInput } from '../support/errors.ts';
import { formatJson } from '../support/json-text.ts';
import { compareSettings, type RunSettings } from './run-settings.ts';
import type { LogSums } from './training-log.ts';
import type { RunLength } from './training-options.ts';

export const RUN_STATE_FILE = 'run_state.json';

/** Where in the data a run is. */
export interface DataPosition {
  /** Epochs that are over. */
  readonly epoch: number;
  /** Updates made of the epoch that is under way. */
  readonly update: number;
}

export interface RunState {
  readonly position: DataPosition;
  /** What the numbers of the run depend on, the seed of all that is random included. */
  readonly settings: RunSettings;
  /** Of the updates that the log has yet to tell. */
  readonly logSums: LogSums;
}

const count = z.int().nonnegative();
const sums = z.strictObject({ updates: count, sums: z.record(z.string(), z.number()) });

const runStateFile = z.strictObject({
  position: z.strictObject({ epoch: count, update: count }),
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  log_sums: z.strictObject({ since_entry: sums, run: sums }),
});

export function runStateContent({ position, settings, logSums }: RunState): FileToWrite {
  const { sinceEntry, run } = logSums;
  const file: z.input<typeof runStateFile> = {
    position,
    settings,
    log_sums: { since_entry: sinceEntry, run },
  };
  return { name: RUN_STATE_FILE, content: formatJson(file) };
}

/** @throws BertramError `not-found` or `bad-input` */
export async function readRunState(directory: string): Promise<RunState> {
  const file = await readJsonFile(join(directory, RUN_STATE_FILE), runStateFile);
  const { since_entry: sinceEntry, run } = file.log_sums;
  return { position: file.position, settings: file.settings, logSums: { sinceEntry, run } };
}

/**
 * Whether a checkpoint is of this run.
 *
 * @returns what differs and may
 * @throws BertramError `bad-input` naming what differs and must not
 */
export function checkResumed(
  resumed: RunState & { readonly step: number },
  settings: RunSettings,
  length: RunLength,
): string[] {
  const warnings = compareSettings(resumed.settings, settings);
  const [before, now] = [resumed.position, positionAfter(resumed.step, length)];
  if (before.epoch !== now.epoch || before.update !== now.update) {
    const told = ({ epoch, update }: DataPosition): string => `update ${update} of epoch ${epoch}`;
    badInput('training: checkpoint', `${told(now)} after ${resumed.step} updates`, told(before));
  }
  return warnings;
}

export const positionAfter = (step: number, { updatesPerEpoch }: RunLength): DataPosition => ({
  epoch: Math.floor(step / updatesPerEpoch),
  update: step % updatesPerEpoch,
});
