/** Where a run that trains begins: in an empty output directory, or at a checkpoint of the run that filled it. */
import { access, constants, readdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileError, systemCode } from '../checkpoint/file-error.ts';
import { onFirstRank, singleProcess } from '../distributed/index.ts';
import { badInput } from '../support/errors.ts';
import { newestCheckpoint, recoverCheckpoints, verifyCheckpoint } from '../training/index.ts';

export interface StartFlags {
  /** A checkpoint; `true` for the newest, which must be there; `auto` for the newest, if there is one. */
  readonly resumeFromCheckpoint?: string | true;
  readonly overwriteOutputDir?: true;
}

export interface RunStart {
  /** Whether the run goes on with what is in its directory. */
  readonly resumes: boolean;
  /** The checkpoint that was asked for by its name, wherever it is. */
  readonly checkpoint?: string;
  /**
   * The checkpoint to go on from, in the output directory or in one below it that holds a part of the run: the newest
   * that is as it was written.
   */
  checkpointIn(directory: string): Promise<string | undefined>;
}

/**
 * Rank 0 looks for all, since it may have filled the directory by the time that another one looks.
 *
 * @param warn told of checkpoints that are damaged, and passed over
 * @throws BertramError `bad-input` where a directory holds other work, where there is no checkpoint although one was asked
 * for, or where the one that was named is damaged
 */
export async function startOf(
  outputDir: string,
  flags: StartFlags,
  warn: (text: string) => void,
  ranks = singleProcess,
): Promise<RunStart> {
  const { resumes, checkpoint } = await onFirstRank(ranks, () => whereToStart(outputDir, flags));
  return {
    resumes,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    checkpointIn: (directory) =>
      onFirstRank(ranks, async () => {
        if (!resumes || checkpoint !== undefined) return checkpoint;
        await recoverCheckpoints(directory);
        return newestCheckpoint(directory, warn);
      }),
  };
}

async function whereToStart(
  outputDir: string,
  { resumeFromCheckpoint, overwriteOutputDir }: StartFlags,
): Promise<Pick<RunStart, 'resumes' | 'checkpoint'>> {
  await requireWritable(outputDir);
  if (resumeFromCheckpoint === 'auto') return { resumes: true };
  if (typeof resumeFromCheckpoint === 'string') {
    const checkpoint = resumeFromCheckpoint;
    await verifyCheckpoint(checkpoint);
    return { resumes: true, checkpoint };
  }
  if (resumeFromCheckpoint) {
    const present = await readdir(outputDir, { recursive: true }).catch(() => []);
    if (!present.some((path) => /(^|[/\\])checkpoint-\d+$/.test(path)))
      badInput(`--resume_from_checkpoint: ${outputDir}`, 'a checkpoint-N directory', 'none');
    return { resumes: true };
  }
  if (!overwriteOutputDir) await requireEmpty(outputDir, '--resume_from_checkpoint');
  await recoverCheckpoints(outputDir);
  return { resumes: false };
}

/**
 * @param resuming the option that goes on with what is there
 * @throws BertramError `bad-input` when a directory holds other work
 */
export async function requireEmpty(outputDir: string, resuming: string): Promise<void> {
  const present = (await readdir(outputDir).catch(() => [])).filter((name) => !isLeftover(name));
  if (present.length === 0) return;
  const expected = `an empty directory, --overwrite_output_dir or ${resuming}`;
  badInput(`--output_dir: ${outputDir}`, expected, `${present.length} files`);
}

/** What a run that was killed had not finished writing. */
const isLeftover = (name: string): boolean => name.startsWith('.partial-');

/** Whether there can be files, told now and not with the first checkpoint. Nothing is made yet. */
async function requireWritable(outputDir: string): Promise<void> {
  const where = `--output_dir: ${outputDir}`;
  for (let existing = resolve(outputDir); ; existing = dirname(existing)) {
    try {
      if (!(await stat(existing)).isDirectory()) badInput(where, 'a directory', `a file, ${existing}`);
      await access(existing, constants.W_OK);
      return;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw fileError(where, 'cannot be written', error);
    }
  }
}
