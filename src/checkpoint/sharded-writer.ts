/**
 * A model's weights into its directory: one file, or shards with an index when they would exceed a size, in the layout
 * of `save_pretrained`.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { badInput, shown } from '../support/errors.ts';
import { flushDirectory, stageFile } from './atomic-file.ts';
import type { StagedFile } from './atomic-file.ts';
import type { FileToWrite } from './complete-directory.ts';
import { fileError } from './file-error.ts';
import { byteLengthOf } from './safetensors-dtype.ts';
import type { Metadata, TensorToWrite } from './safetensors-layout.ts';
import { INDEX_FILE, SINGLE_FILE, formatShardIndex, isShardFile, shardFile } from './shard-index.ts';
import { safetensorsChunks, stageSafetensors } from './safetensors-writer.ts';

/** Without it transformers refuses a file. */
const PYTORCH_METADATA: Metadata = { format: 'pt' };

export interface ModelWeightsOptions {
  /** The most bytes of data in one file; a single tensor may exceed it. Unlimited by default, as BERT never needs it. */
  readonly maxShardBytes?: number;
  /** {@link PYTORCH_METADATA} by default. */
  readonly metadata?: Metadata;
}

/**
 * Writes `model.safetensors`, or `model-00001-of-0000N.safetensors` and `model.safetensors.index.json`, into an existing
 * directory. The new files are all complete on the disk before any takes its place, and weights of an earlier save under
 * other names are removed last, so that the directory never describes a mixture of two models.
 *
 * @param tensors filled into shards in their order, as transformers does
 * @returns the paths written
 */
export async function writeModelWeights(
  directory: string,
  tensors: Iterable<TensorToWrite>,
  options: ModelWeightsOptions = {},
): Promise<string[]> {
  const { maxShardBytes = Infinity, metadata = PYTORCH_METADATA } = options;
  const shards = splitIntoShards(tensors, maxShardBytes);
  const weightMap = new Map<string, string>();
  const staged: StagedFile[] = [];
  try {
    let totalSize = 0;
    for (const [i, shard] of shards.entries()) {
      const file = shards.length === 1 ? SINGLE_FILE : shardFile(i + 1, shards.length);
      for (const tensor of shard) {
        if (weightMap.has(tensor.name)) {
          badInput(`${directory}: tensor ${shown(tensor.name)}`, 'each name once', 'it twice');
        }
        weightMap.set(tensor.name, file);
        totalSize += sizeOf(tensor);
      }
      staged.push(await stageSafetensors(join(directory, file), shard, metadata));
    }
    if (shards.length > 1) {
      staged.push(await stageFile(join(directory, INDEX_FILE), formatShardIndex(weightMap, totalSize)));
      // From here until the new index is there, no index may describe the shards that are being replaced.
      await rm(join(directory, INDEX_FILE), { force: true });
    }
    for (const file of staged) await file.commit();
    const written = staged.map((file) => basename(file.path));
    for (const file of await readdir(directory)) {
      const isWeights = file === SINGLE_FILE || file === INDEX_FILE || isShardFile(file);
      if (isWeights && !written.includes(file)) await rm(join(directory, file), { force: true });
    }
    await flushDirectory(directory);
    return staged.map((file) => file.path);
  } catch (error) {
    await Promise.all(staged.map((file) => file.discard()));
    throw fileError(directory, 'weights cannot be written', error);
  }
}

/** The same in one file, for whoever writes it together with others. */
export function modelWeightsFile(tensors: Iterable<TensorToWrite>, metadata = PYTORCH_METADATA): FileToWrite {
  return { name: SINGLE_FILE, content: safetensorsChunks(SINGLE_FILE, tensors, metadata) };
}

/** Fills shards in order; a tensor larger than a shard gets one of its own. */
function splitIntoShards(tensors: Iterable<TensorToWrite>, maxShardBytes: number): TensorToWrite[][] {
  const full: TensorToWrite[][] = [];
  let current: TensorToWrite[] = [];
  let currentSize = 0;
  for (const tensor of tensors) {
    const size = sizeOf(tensor);
    if (size > maxShardBytes) {
      full.push([tensor]);
      continue;
    }
    if (currentSize + size > maxShardBytes) {
      full.push(current);
      current = [];
      currentSize = 0;
    }
    current.push(tensor);
    currentSize += size;
  }
  return current.length > 0 || full.length === 0 ? [...full, current] : full;
}

/** A shape that is none counts as nothing here: the writer of its shard refuses it by name. */
function sizeOf(tensor: TensorToWrite): number {
  return byteLengthOf(tensor.dtype, tensor.shape) ?? 0;
}
