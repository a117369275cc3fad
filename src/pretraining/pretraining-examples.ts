/** Opening pretraining examples, whichever container they lie in. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../checkpoint/file-error.ts';
import type { PretrainingExamples } from './example.ts';
import { MANIFEST_FILE } from './manifest.ts';
import { openShards } from './shards.ts';
import { openTfRecordExamples } from './tfrecord-examples.ts';

/** As the reference program's own instructions name its files: `tf_examples.tfrecord`, sharded or not. */
const TFRECORD = /\.tfrecord(?:-\d+(?:-of-\d+)?)?$/;

/**
 * Opens a directory that `prepare` wrote, or TFRecord files of Google's `create_pretraining_data.py`: a file, or a
 * directory of `.tfrecord` files, with `vocab.txt` beside them. Every checksum is verified.
 *
 * @throws BertramError `not-found` if there is nothing, `bad-input` if it is damaged or of mixed vocabularies
 */
export async function openPretrainingExamples(path: string): Promise<PretrainingExamples> {
  let names: string[];
  try {
    if (!(await stat(path)).isDirectory()) return await openTfRecordExamples([path]);
    names = await readdir(path);
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
  const records = names.filter((name) => TFRECORD.test(name)).sort();
  if (records.length > 0 && !names.includes(MANIFEST_FILE))
    return openTfRecordExamples(records.map((name) => join(path, name)));
  return openShards(path);
}
