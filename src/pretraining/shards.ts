/** Opening what `prepare` wrote: all shards of a directory as one data set, their checksums verified. */
import { join } from 'node:path';
import { readTextFile } from '../checkpoint/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { PretrainingExample, PretrainingExamples } from './example.ts';
import { fileSha256, textSha256 } from '../checkpoint/file-checksum.ts';
import { MANIFEST_FILE, readManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { ShardFile } from './shard-file.ts';

/**
 * Opens the shards of a directory. Their bytes are read once, to verify them, and then by position as examples are asked
 * for.
 *
 * @throws BertramError `not-found` for a file that is absent; `bad-input` for one that is not what the manifest says, or
 * was made with another vocabulary than that beside it
 */
export async function openShards(directory: string): Promise<PretrainingExamples> {
  const manifest = await readManifest(directory);
  if (manifest === undefined)
    throw new BertramError(
      'not-found',
      `${directory}: expected ${MANIFEST_FILE} of bertram prepare, got none`,
    );
  const { vocabularySha256 } = manifest.recipe;
  await checkVocabulary(join(directory, 'vocab.txt'), vocabularySha256);
  const shards: ShardFile[] = [];
  try {
    for (const { file, sha256, examples } of manifest.shards) {
      const path = join(directory, file);
      const got = await fileSha256(path);
      if (got !== sha256) badInput(path, `SHA-256 ${sha256}, as when it was written`, got);
      const shard = ShardFile.open(path);
      shards.push(shard);
      if (shard.vocabularySha256 !== vocabularySha256)
        badInput(path, `ids of vocabulary ${vocabularySha256}`, shard.vocabularySha256 || 'none');
      if (shard.size !== examples) badInput(path, `${examples} examples`, String(shard.size));
    }
    return new ShardExamples(manifest, shards);
  } catch (error) {
    for (const shard of shards) shard.close();
    throw error;
  }
}

async function checkVocabulary(path: string, expected: string): Promise<void> {
  const got = textSha256(await readTextFile(path));
  if (got !== expected) badInput(path, `the vocabulary of the shards, with SHA-256 ${expected}`, got);
}

class ShardExamples implements PretrainingExamples {
  readonly size: number;
  readonly lengths: Uint16Array;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  readonly vocabularySha256: string;
  readonly sha256: string;
  readonly #shards: readonly ShardFile[];
  /** The first example of each shard. */
  readonly #firsts: readonly number[];

  constructor({ recipe, shards: records }: Manifest, shards: readonly ShardFile[]) {
    this.maxSeqLength = recipe.maxSeqLength;
    this.maxPredictionsPerSeq = recipe.maxPredictionsPerSeq;
    this.vocabularySha256 = recipe.vocabularySha256;
    this.sha256 = textSha256(records.map(({ sha256 }) => sha256).join(' '));
    this.#shards = shards;
    let size = 0;
    this.#firsts = shards.map((shard) => {
      size += shard.size;
      return size - shard.size;
    });
    this.size = size;
    this.lengths = new Uint16Array(size);
    for (const [i, { exampleOffsets, size: count }] of shards.entries()) {
      const first = this.#firsts[i]!;
      for (let j = 0; j < count; j++) this.lengths[first + j] = exampleOffsets[j + 1]! - exampleOffsets[j]!;
    }
  }

  /** @throws BertramError `bad-input` for an index that no example has */
  read(index: number): PretrainingExample {
    if (!Number.isInteger(index) || index < 0 || index >= this.size)
      badInput('pretraining examples', `an index below ${this.size}`, String(index));
    const shard = this.#firsts.findLastIndex((first) => first <= index);
    return this.#shards[shard]!.read(index - this.#firsts[shard]!);
  }

  close(): void {
    for (const shard of this.#shards) shard.close();
  }
}
