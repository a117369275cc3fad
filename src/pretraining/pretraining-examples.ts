/** Opening pretraining examples, whichever container they lie in. */
import { stat } from 'node:fs/promises';
import { fileError } from '../checkpoint/file-error.ts';
import type { PretrainingExamples } from './example.ts';
import { openShards } from './shards.ts';

/**
 * Opens a directory that `prepare` wrote.
 *
 * @throws BertramError `not-found` if there is nothing, `bad-input` if it is damaged or of mixed vocabularies
 */
export async function openPretrainingExamples(path: string): Promise<PretrainingExamples> {
  try {
    await stat(path);
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
  return openShards(path);
}
