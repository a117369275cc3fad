/**
 * Checkpoints of a run: `checkpoint-N/` holds the model (written by the task), the optimizer's moments in
 * `optimizer.safetensors`, and `trainer_state.json`.
 *
 * A checkpoint is written under another name and renamed when complete, so that a directory of its name is a whole one.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import {
  loadParameters,
  openSafetensors,
  readTextFile,
  writeFileAtomic,
  writeSafetensors,
} from '../checkpoint/index.ts';
import { badInput, BertramError, shown } from '../support/errors.ts';
import type { TrainingProgress } from './trainer.ts';
import type { EvaluationEntry, LogEntry } from './training-log.ts';
import type { TrainingState } from './training-state.ts';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'trainer_state.json';
const MOMENTS = { exp_avg: 'firstMoments', exp_avg_sq: 'secondMoments' } as const;

/** Of an update or of an evaluation: all of an entry's fields are numbers. */
const logEntry = z
  .object({ step: z.int().nonnegative(), epoch: z.number() })
  .catchall(z.number())
  .transform((entry) => entry as LogEntry | EvaluationEntry);

const trainerStateFile = z.object({
  global_step: z.int().nonnegative(),
  max_steps: z.int().nonnegative(),
  log_history: z.array(logEntry),
});

/** The names of a run's complete checkpoints, oldest first. */
export async function listCheckpoints(outputDir: string): Promise<string[]> {
  const names = await readdir(outputDir).catch(() => []);
  const steps = names
    .map((name) => /^checkpoint-(\d+)$/.exec(name)?.[1])
    .filter((step) => step !== undefined);
  return steps
    .map(Number)
    .sort((a, b) => a - b)
    .map((step) => join(outputDir, `checkpoint-${step}`));
}

/**
 * @param writeModel writes the model into the directory it is given
 * @param limit how many checkpoints to keep: this one, and those with the highest numbers; all unless told
 */
export async function writeCheckpoint(
  outputDir: string,
  state: TrainingState,
  progress: TrainingProgress,
  writeModel: (directory: string) => Promise<void>,
  limit = Infinity,
): Promise<void> {
  const target = join(outputDir, `checkpoint-${progress.step}`);
  const partial = join(dirname(target), `.partial-${basename(target)}`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await writeModel(partial);
  const moments = momentsOf(state).map((moment) => ({ ...moment, dtype: 'F32' as const }));
  await writeSafetensors(join(partial, OPTIMIZER_FILE), moments);
  await writeTrainerState(partial, progress);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  const others = (await listCheckpoints(outputDir)).filter((directory) => directory !== target);
  const surplus = Math.max(0, others.length + 1 - limit);
  for (const old of others.slice(0, surplus)) await rm(old, { recursive: true });
}

/**
 * Reads the moments into the state; the parameters are for the task to load.
 *
 * @throws BertramError `not-found` when a file is missing; `bad-input` when one is malformed, or is of another model
 */
export async function readCheckpoint(directory: string, state: TrainingState): Promise<TrainingProgress> {
  const file = join(directory, OPTIMIZER_FILE);
  const source = await openSafetensors(file);
  try {
    const wanted = momentsOf(state).map(({ name, shape, data }) => ({ name, shape, into: data }));
    const { missing } = await loadParameters(source, wanted);
    if (missing.length > 0) badInput(file, `a tensor ${shown(missing[0])}`, 'none');
  } finally {
    await source.close();
  }
  return readTrainerState(directory);
}

/** The moments of all parameters, by their names in the file. */
function momentsOf(state: TrainingState) {
  return Object.entries(MOMENTS).flatMap(([kind, array]) =>
    state.parameters.map(({ name, shape }) => ({
      name: `${kind}.${name}`,
      shape,
      data: state.viewOf(state[array], name).data,
    })),
  );
}

export async function writeTrainerState(directory: string, progress: TrainingProgress): Promise<void> {
  const { step, totalSteps, logHistory } = progress;
  const file = {
    global_step: step,
    max_steps: totalSteps,
    epoch: logHistory.at(-1)?.epoch ?? 0,
    is_world_process_zero: true,
    log_history: logHistory,
  };
  await writeFileAtomic(join(directory, STATE_FILE), `${JSON.stringify(file, null, 2)}\n`);
}

async function readTrainerState(directory: string): Promise<TrainingProgress> {
  const path = join(directory, STATE_FILE);
  const text = await readTextFile(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    badInput(path, 'JSON', shown(text));
  }
  const parsed = trainerStateFile.safeParse(json);
  if (!parsed.success) {
    const { path: field, message } = parsed.error.issues[0]!;
    const reason = message.replace(/^Invalid input: /, '');
    throw new BertramError('bad-input', `${path}: ${field.join('.')}: ${reason}`);
  }
  const { global_step: step, max_steps: totalSteps, log_history: logHistory } = parsed.data;
  return { step, totalSteps, logHistory };
}
