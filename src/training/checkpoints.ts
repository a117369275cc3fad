/**
 * Checkpoints of a run: `checkpoint-N/` holds the model (written by the task), the optimizer's moments in
 * `optimizer.safetensors`, and `trainer_state.json`.
 *
 * A checkpoint is written under another name and renamed when complete, so that a directory of its name is a whole one.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { openSafetensors, writeFileAtomic, writeSafetensors } from '../checkpoint/index.ts';
import { BertramError, badInput, messageOf } from '../support/errors.ts';
import type { LogEntry, TrainingProgress } from './trainer.ts';
import type { TrainingState } from './training-state.ts';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'trainer_state.json';
const MOMENTS = { exp_avg: 'firstMoments', exp_avg_sq: 'secondMoments' } as const;

const trainerStateFile = z.object({
  global_step: z.int().nonnegative(),
  max_steps: z.int().nonnegative(),
  log_history: z.array(z.custom<LogEntry>()),
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
 * @param limit how many checkpoints to keep, the newest; all unless told
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
  const moments = Object.entries(MOMENTS).flatMap(([kind, array]) =>
    state.parameters.map(({ name, shape }) => ({
      name: `${kind}.${name}`,
      dtype: 'F32' as const,
      shape,
      data: state.viewOf(state[array], name).data,
    })),
  );
  await writeSafetensors(join(partial, OPTIMIZER_FILE), moments);
  await writeTrainerState(partial, progress);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  const all = await listCheckpoints(outputDir);
  for (const old of all.slice(0, Math.max(0, all.length - limit))) await rm(old, { recursive: true });
}

/** Reads the moments into the state; the parameters are for the task to load. */
export async function readCheckpoint(directory: string, state: TrainingState): Promise<TrainingProgress> {
  const file = join(directory, OPTIMIZER_FILE);
  const source = await openSafetensors(file);
  try {
    for (const [kind, array] of Object.entries(MOMENTS)) {
      for (const { name } of state.parameters) {
        const tensor = `${kind}.${name}`;
        const { data } = state.viewOf(state[array], name);
        const entry = source.tensors.get(tensor);
        if (entry === undefined) badInput(file, `a tensor ${tensor}`, 'none');
        if (entry.byteLength !== data.byteLength)
          badInput(file, `${data.length} floats in ${tensor}`, `[${entry.shape.join(', ')}]`);
        await source.readFloat32(tensor, data);
      }
    }
  } finally {
    await source.close();
  }
  return readTrainerState(directory);
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
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new BertramError('bad-input', `${path}: expected a trainer's state, got ${messageOf(error)}`, {
      cause: error,
    });
  }
  const parsed = trainerStateFile.safeParse(json);
  if (!parsed.success)
    badInput(
      `${path}: ${parsed.error.issues[0]!.path.join('.')}`,
      "a trainer's state",
      parsed.error.issues[0]!.message,
    );
  const { global_step: step, max_steps: totalSteps, log_history: logHistory } = parsed.data;
  return { step, totalSteps, logHistory };
}
