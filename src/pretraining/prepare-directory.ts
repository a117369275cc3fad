/**
 * The directory of a run of `prepare`: it holds the finished shards of the same recipe, or an unfinished run in
 * `.prepare/` that is gone on with, or nothing.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { fileError } from '../checkpoint/file-error.ts';
import { readTextFileIfPresent } from '../checkpoint/text-file.ts';
import { badInput } from '../support/errors.ts';
import type { CorpusCounts } from './corpus-file.ts';
import { fileSha256 } from '../checkpoint/file-checksum.ts';
import {
  differenceOf,
  formatRecord,
  HELD_OUT_DIRECTORY,
  parseRecord,
  readManifest,
  schemas,
} from './manifest.ts';
import type { Manifest, Recipe } from './manifest.ts';

const WORK_DIRECTORY = '.prepare';
const STATE_FILE = 'state.json';

const stateFile = z.strictObject({
  recipe: schemas.recipe,
  corpus: z.strictObject({
    documents: z.int(),
    emptyDocuments: z.int(),
    sentences: z.int(),
    pieces: z.int(),
  }),
});

/** What a run knows of itself once its corpus is tokenized. */
export interface PrepareState {
  readonly recipe: Recipe;
  readonly corpus: CorpusCounts;
}

export interface FinishedShards {
  readonly training: Manifest;
  readonly heldOut: Manifest | undefined;
}

/** Where the tokenized corpus lies, and the records of shards, until all is done. */
export function workDirectoryOf(directory: string): string {
  return join(directory, WORK_DIRECTORY);
}

/**
 * What a run of this recipe has left in the directory, if it is complete.
 *
 * @throws BertramError `bad-input` for shards of another recipe, or with another checksum than when they were written
 */
export async function finishedShards(directory: string, recipe: Recipe): Promise<FinishedShards | undefined> {
  const training = await readManifest(directory);
  if (training === undefined) return undefined;
  refuseOther(directory, training.recipe, recipe);
  const heldOutDirectory = join(directory, HELD_OUT_DIRECTORY);
  const heldOut = recipe.heldOut > 0 ? await readManifest(heldOutDirectory) : undefined;
  await verifyShards(directory, training);
  if (heldOut !== undefined) await verifyShards(heldOutDirectory, heldOut);
  return { training, heldOut };
}

async function verifyShards(directory: string, { shards }: Manifest): Promise<void> {
  for (const { file, sha256 } of shards) {
    const path = join(directory, file);
    const got = await fileSha256(path);
    if (got !== sha256) badInput(path, `the file that was written, with SHA-256 ${sha256}`, got);
  }
}

/**
 * Looks for a place to work in: a directory that is new, empty, or has an unfinished run of the same recipe.
 *
 * @returns what that run knows, if there is one to go on with
 * @throws BertramError `bad-input` for a directory that holds anything else; `failed` for one that cannot be written
 */
export async function claimDirectory(directory: string, recipe: Recipe): Promise<PrepareState | undefined> {
  const workDirectory = workDirectoryOf(directory);
  const state = await readState(join(workDirectory, STATE_FILE));
  if (state !== undefined) {
    refuseOther(directory, state.recipe, recipe);
    for (const part of [directory, join(directory, HELD_OUT_DIRECTORY)]) await removeTemporaryFiles(part);
    return state;
  }
  try {
    await mkdir(directory, { recursive: true });
    const others = (await readdir(directory)).filter((name) => name !== WORK_DIRECTORY);
    if (others.length > 0) badInput(directory, 'an empty directory', `one with ${others[0]!} in it`);
    await mkdir(workDirectory, { recursive: true });
  } catch (error) {
    throw fileError(directory, 'cannot be written', error);
  }
  return undefined;
}

/** From now on, a run that is killed can be gone on with. */
export async function writeState(directory: string, state: PrepareState): Promise<void> {
  await writeFileAtomic(join(workDirectoryOf(directory), STATE_FILE), formatRecord(state));
}

async function readState(path: string): Promise<PrepareState | undefined> {
  const text = await readTextFileIfPresent(path);
  return text === undefined ? undefined : parseRecord(stateFile, text, path);
}

/** What a run that was killed while it wrote a file has left of it. */
async function removeTemporaryFiles(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const temporary = names.filter((name) => name.startsWith('.') && name.endsWith('.tmp'));
  for (const name of temporary) await rm(join(directory, name), { force: true });
}

function refuseOther(directory: string, found: Recipe, wanted: Recipe): void {
  const difference = differenceOf(found, wanted);
  if (difference !== undefined)
    badInput(
      directory,
      'an empty directory or shards of the same recipe',
      `shards with another ${difference}`,
    );
}
