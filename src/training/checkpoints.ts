/**
 * Checkpoints of a run: `checkpoint-N/` holds the model (the task's files), the optimizer's moments in
 * `optimizer.safetensors`, the log in `trainer_state.json`, all else that a resumed run needs in `run_state.json`, and
 * sizes and checksums of these in `manifest.json`.
 *
 * A directory of that name is a whole one: see `checkpoint/complete-directory.ts` and decision 12.
 */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  fileError,
  loadParameters,
  nodeFiles,
  openSafetensors,
  recoverDirectories,
  removeDirectory,
  safetensorsChunks,
  verifyDirectory,
  writeDirectory,
  type FileOperations,
  type FileToWrite,
} from '../checkpoint/index.ts';
import { badInput, BertramError, shown } from '../support/errors.ts';
import { readRunState, RUN_STATE_FILE, runStateContent } from './run-state.ts';
import type { TrainingProgress } from './training-hooks.ts';
import { formatTrainerState, readTrainerState, TRAINER_STATE_FILE } from './trainer-state.ts';
import type { TrainingState } from './training-state.ts';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const MOMENTS = { exp_avg: 'firstMoments', exp_avg_sq: 'secondMoments' } as const;

/** The directories of a run's checkpoints, oldest first, whether or not they are still as they were written. */
export async function listCheckpoints(outputDir: string, files = nodeFiles): Promise<string[]> {
  const steps = (await files.list(outputDir)).map((name) => /^checkpoint-(\d+)$/.exec(name)?.[1]);
  return steps
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
    .map((step) => join(outputDir, `checkpoint-${step}`));
}

/**
 * Reads all of a checkpoint and compares it with its manifest.
 *
 * @throws BertramError naming the file that is not as it was written; one without a manifest is none
 */
export async function verifyCheckpoint(directory: string): Promise<void> {
  const { step, files } = await verifyDirectory(directory);
  for (const name of [OPTIMIZER_FILE, TRAINER_STATE_FILE, RUN_STATE_FILE])
    if (!files.has(name)) badInput(directory, `${name} in its manifest`, 'none');
  const named = /^checkpoint-(\d+)$/.exec(basename(directory))?.[1];
  if (named !== undefined && Number(named) !== step)
    badInput(directory, `update ${named} in its manifest`, String(step));
}

/**
 * The newest checkpoint that is as it was written; none where there are no checkpoints.
 *
 * @param onDamaged told of each newer one that is passed over, what is wrong with it
 * @throws BertramError `bad-input` when there are checkpoints and all are damaged
 */
export async function newestCheckpoint(
  outputDir: string,
  onDamaged: (warning: string) => void,
): Promise<string | undefined> {
  const candidates = await listCheckpoints(outputDir);
  for (const directory of candidates.toReversed()) {
    try {
      await verifyCheckpoint(directory);
      return directory;
    } catch (error) {
      if (!(error instanceof BertramError)) throw error;
      onDamaged(`${basename(directory)} is damaged and passed over: ${error.message}`);
    }
  }
  if (candidates.length === 0) return undefined;
  badInput(outputDir, 'a checkpoint that is as it was written', `${candidates.length} damaged`);
}

/** Removes what a killed run left half written, and puts back what it had set aside. */
export async function recoverCheckpoints(outputDir: string, files = nodeFiles): Promise<void> {
  try {
    await recoverDirectories(outputDir, isWhole, files);
  } catch (error) {
    throw fileError(outputDir, 'cannot be tidied up', error);
  }
}

export interface CheckpointOptions {
  /** How many to keep: the one just written, and the newest of the others that are whole. All unless told. */
  readonly limit?: number;
  readonly files?: FileOperations;
}

/** Writes the checkpoints of one run. */
export class Checkpoints {
  readonly #outputDir: string;
  readonly #limit: number;
  readonly #files: FileOperations;
  /** What the files of checkpoints looked like to the file system when they were known to be whole. */
  readonly #known = new Map<string, string | undefined>();

  constructor(outputDir: string, { limit = Infinity, files = nodeFiles }: CheckpointOptions = {}) {
    this.#outputDir = outputDir;
    this.#limit = limit;
    this.#files = files;
  }

  /**
   * @param model the files that make the directory a model's
   * @throws BertramError `failed` when it cannot be written; the checkpoints before are then as they were
   */
  async write(
    state: TrainingState,
    progress: TrainingProgress,
    model: readonly FileToWrite[],
  ): Promise<void> {
    const target = join(this.#outputDir, `checkpoint-${progress.step}`);
    const moments = momentsOf(state).map((moment) => ({ ...moment, dtype: 'F32' as const }));
    const contents = [
      ...model,
      { name: OPTIMIZER_FILE, content: safetensorsChunks(OPTIMIZER_FILE, moments) },
      { name: TRAINER_STATE_FILE, content: formatTrainerState(progress, this.#outputDir) },
      runStateContent(progress),
    ];
    await attempt(target, 'cannot be written', () =>
      writeDirectory(target, progress.step, contents, this.#files),
    );
    this.#known.set(target, await appearanceOf(target, this.#files));
    const best = progress.options?.best?.load === true ? progress.best?.step : undefined;
    await this.#removeSurplus(
      target,
      best === undefined ? undefined : join(this.#outputDir, `checkpoint-${best}`),
    );
  }

  /** The checkpoint of an update, if it is there and as it was written. */
  async find(step: number): Promise<string | undefined> {
    const directory = join(this.#outputDir, `checkpoint-${step}`);
    return (await isWhole(directory)) ? directory : undefined;
  }

  /**
   * Goes from the newest to the oldest; what is left when enough whole ones are found is surplus. That of the best
   * evaluation counts first, and stays beside the newest even where one is to be kept.
   */
  async #removeSurplus(written: string, best?: string): Promise<void> {
    const all = await listCheckpoints(this.#outputDir, this.#files);
    const others = all.filter((directory) => directory !== written).reverse();
    const ofBest = others.filter((directory) => directory === best);
    const limit = this.#limit === 1 ? 1 + ofBest.length : this.#limit;
    if (others.length < limit) return;
    let whole = 1;
    for (const directory of new Set([...ofBest, ...others])) {
      if (whole < limit) {
        if (await this.#isWhole(directory)) whole += 1;
      } else {
        await attempt(directory, 'cannot be removed', () => removeDirectory(directory, this.#files));
      }
    }
  }

  /** Reads it only where it is not known, or has been touched since. */
  async #isWhole(directory: string): Promise<boolean> {
    const appearance = await appearanceOf(directory, this.#files);
    if (appearance !== undefined && this.#known.get(directory) === appearance) return true;
    const whole = await isWhole(directory);
    if (whole) this.#known.set(directory, appearance);
    return whole;
  }
}

const isWhole = (directory: string): Promise<boolean> =>
  verifyCheckpoint(directory).then(
    () => true,
    () => false,
  );

/** What changes when a file is written to, replaced or removed, without reading it; undefined where it cannot be told. */
async function appearanceOf(directory: string, files: FileOperations): Promise<string | undefined> {
  const names = (await files.list(directory)).sort();
  const lines = names.map(async (name) => {
    const { ino, size, mtimeMs, ctimeMs } = await stat(join(directory, name));
    return [name, ino, size, mtimeMs, ctimeMs].join(' ');
  });
  return Promise.all(lines).then(
    (all) => all.join('\n'),
    () => undefined,
  );
}

/** A failure of the file system ends the run: it is work that failed, and no request that was wrong. */
async function attempt(path: string, action: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof BertramError) throw error;
    throw new BertramError('failed', fileError(path, action, error).message, { cause: error });
  }
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
  return { ...(await readTrainerState(directory)), ...(await readRunState(directory)) };
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
