/** Which of a directory's TensorFlow checkpoints is meant. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, shown } from '../support/errors.ts';
import { fileError } from './file-error.ts';
import { TENSORFLOW_INDEX_SUFFIX } from './tensorflow-checkpoint.ts';
import { readTextFileIfPresent } from './text-file.ts';

/** `bert_model.ckpt.index` of Google's zips, `model.ckpt-1000.index` of a run. */
const INDEX = /\.ckpt(-\d+)?\.index$/;

/** What `tf.train.Saver` writes into the file `checkpoint`; older ones are listed behind it. */
const LATEST = /^model_checkpoint_path: "(?:[^"\n]*[/\\])?([^"/\\\n]+)"$/m;

/**
 * The prefix of the checkpoint that the file `checkpoint` names, or of the only one; undefined if there is none.
 * Directories in that name are those of the machine that trained, and are passed over.
 *
 * @throws BertramError `bad-input` if there are several and nothing says which
 */
export async function findTensorFlowCheckpoint(directory: string): Promise<string | undefined> {
  let files: string[];
  try {
    files = await readdir(directory);
  } catch (error) {
    throw fileError(directory, 'cannot be read', error);
  }
  const prefixes = files
    .filter((file) => INDEX.test(file))
    .map((file) => file.slice(0, -TENSORFLOW_INDEX_SUFFIX.length))
    .sort();
  if (prefixes.length === 0) return undefined;
  const state = await readTextFileIfPresent(join(directory, 'checkpoint'));
  const named = LATEST.exec(state ?? '')?.[1];
  if (named !== undefined && prefixes.includes(named)) return join(directory, named);
  if (prefixes.length > 1) {
    const expected = 'one checkpoint, or a file "checkpoint" that names one of them';
    badInput(directory, expected, prefixes.map((prefix) => shown(prefix)).join(', '));
  }
  return join(directory, prefixes[0]!);
}
