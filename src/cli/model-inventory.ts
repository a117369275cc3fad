/** What a model directory holds, without reading its numbers: parameters by table, sizes, memory, checksums. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BertConfig } from '../bert/index.ts';
import { canonicalName, fileSha256, SCALE_SUFFIX, tiedName, type WeightSource } from '../checkpoint/index.ts';
import type { Parameter } from '../nn/index.ts';
import { badInput, shown } from '../support/errors.ts';

export interface ParameterRow {
  readonly name: string;
  readonly shape: readonly number[];
  readonly count: number;
  /** The element type in the file; undefined for a parameter that the file lacks. */
  readonly dtype: string | undefined;
}

export interface ParameterInventory {
  /** Numbers in the parameters of the question-answering model, whether or not the file has them all. */
  readonly count: number;
  /** Numbers in all parameters of the file, other heads included. */
  readonly stored: number;
  readonly table: readonly ParameterRow[];
  /** Parameters of the file that question answering does not use. */
  readonly unused: readonly string[];
}

/** @throws BertramError `bad-input` for a tensor whose shape is not that of the configuration */
export function inventoryOf(source: WeightSource, declared: readonly Parameter[]): ParameterInventory {
  const stored = new Map<string, string>();
  for (const tensor of source.tensors.keys()) {
    const name = canonicalName(tensor);
    if (name !== undefined && !name.endsWith(SCALE_SUFFIX)) stored.set(name, tensor);
  }
  const used = new Set<string>();
  const table = declared.map(({ name, shape }): ParameterRow => {
    const key = stored.has(name) ? name : (tiedName(name) ?? name);
    const tensor = stored.get(key);
    const entry = tensor === undefined ? undefined : source.tensors.get(tensor)!;
    if (entry !== undefined && JSON.stringify(entry.shape) !== JSON.stringify(shape)) {
      badInput(`${entry.file}: parameter ${shown(name)}`, `shape ${shown(shape)}`, shown(entry.shape));
    }
    used.add(key);
    return { name, shape, count: sizeOf(shape), dtype: entry?.dtype };
  });
  const sizes = [...stored].map(([name, tensor]) =>
    // A tied parameter that is written twice is one.
    stored.has(tiedName(name) ?? '') && name.startsWith('cls.')
      ? 0
      : sizeOf(source.tensors.get(tensor)!.shape),
  );
  return {
    count: table.reduce((sum, { count }) => sum + count, 0),
    stored: sizes.reduce((sum, size) => sum + size, 0),
    table,
    unused: [...stored.keys()].filter((name) => !used.has(name)),
  };
}

export interface MemoryEstimate {
  /** Weights as they are used: one byte for a number in int8, four in float32. */
  readonly weights_bytes: number;
  /** With the activations of one window of the longest kind. */
  readonly inference_bytes: number;
}

export function estimateMemory(config: BertConfig, { table }: ParameterInventory): MemoryEstimate {
  const { hiddenSize, intermediateSize, numAttentionHeads, maxPositionEmbeddings } = config;
  const sequence = Math.min(384, maxPositionEmbeddings);
  const isMultiplied = ({ name, dtype }: ParameterRow): boolean =>
    dtype === 'I8' && !name.startsWith('bert.embeddings.');
  const weights = table.reduce((sum, row) => sum + row.count * (isMultiplied(row) ? 1 : 4), 0);
  // Of one layer: inputs of the linear layers and of what lies between them, and scores before and after softmax.
  const activations =
    4 * sequence * (14 * hiddenSize + 3 * intermediateSize + 3 * numAttentionHeads * sequence);
  return { weights_bytes: weights, inference_bytes: weights + activations };
}

export interface FileChecksum {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Of every file in the directory, by name. */
export async function checksumsOf(directory: string): Promise<FileChecksum[]> {
  const checksums: FileChecksum[] = [];
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name);
    const status = await stat(path);
    if (!status.isFile()) continue;
    checksums.push({ name, bytes: status.size, sha256: await fileSha256(path) });
  }
  return checksums;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}
