/** A sharded model's weights as one source: every tensor read from the file that the index names. */
import { join, dirname } from 'node:path';
import { BertramError, badInput, shown } from '../support/errors.ts';
import { openPyTorch } from './pytorch-reader.ts';
import { openSafetensors } from './safetensors-reader.ts';
import type { TensorData } from './safetensors-dtype.ts';
import { parseShardIndex } from './shard-index.ts';
import { readTextFile } from './text-file.ts';
import type { TensorEntry, WeightSource } from './weight-source.ts';

/** @param path of the `model.safetensors.index.json`; the shards lie beside it */
export function openShardedSafetensors(path: string): Promise<WeightSource> {
  return openSharded(path, openSafetensors);
}

/** @param path of the `pytorch_model.bin.index.json`; the shards lie beside it */
export function openShardedPyTorch(path: string): Promise<WeightSource> {
  return openSharded(path, openPyTorch);
}

type OpenShard = (path: string) => Promise<WeightSource>;

/** Opens every shard of an index, and checks that each exists, is well formed, and holds the tensors it is said to hold. */
async function openSharded(path: string, open: OpenShard): Promise<WeightSource> {
  const weightMap = parseShardIndex(await readTextFile(path), path);
  const shards = new Map<string, WeightSource>();
  try {
    for (const file of new Set(weightMap.values())) {
      shards.set(file, await openShard(path, file, open));
    }
    return new ShardedWeights(path, weightMap, shards);
  } catch (error) {
    await Promise.all(Array.from(shards.values(), (shard) => shard.close()));
    throw error;
  }
}

async function openShard(index: string, file: string, open: OpenShard): Promise<WeightSource> {
  try {
    return await open(join(dirname(index), file));
  } catch (error) {
    if (!(error instanceof BertramError) || error.code !== 'not-found') throw error;
    throw new BertramError(
      'not-found',
      `${index}: expected shard ${shown(file)} beside it, got no such file`,
      {
        cause: error,
      },
    );
  }
}

class ShardedWeights implements WeightSource {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unlisted: readonly string[];
  readonly leftOut: ReadonlyMap<string, string>;
  readonly #shards: ReadonlyMap<string, WeightSource>;
  readonly #holders: ReadonlyMap<string, WeightSource>;

  constructor(
    path: string,
    weightMap: ReadonlyMap<string, string>,
    shards: ReadonlyMap<string, WeightSource>,
  ) {
    this.path = path;
    this.#shards = shards;
    const holders = new Map<string, WeightSource>();
    for (const [name, file] of weightMap) {
      const shard = shards.get(file);
      if (shard?.tensors.has(name) !== true) {
        badInput(path, `tensor ${shown(name)} in shard ${shown(file)}`, 'a shard without it');
      }
      holders.set(name, shard);
    }
    this.#holders = holders;
    // Shard by shard, in the order of their data, so that whoever reads all reads forward.
    const tensors = new Map<string, TensorEntry>();
    const unlisted: string[] = [];
    for (const shard of shards.values()) {
      for (const [name, entry] of shard.tensors) {
        if (holders.get(name) === shard) tensors.set(name, entry);
        else unlisted.push(name);
      }
    }
    this.tensors = tensors;
    this.unlisted = unlisted;
    this.leftOut = new Map(Array.from(shards.values(), (shard) => [...shard.leftOut]).flat());
    this.metadata = commonEntries(Array.from(shards.values(), (shard) => shard.metadata));
  }

  async read(name: string): Promise<TensorData> {
    return this.#holder(name).read(name);
  }

  async readFloat32(name: string, into?: Float32Array): Promise<Float32Array> {
    return this.#holder(name).readFloat32(name, into);
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#shards.values(), (shard) => shard.close()));
  }

  #holder(name: string): WeightSource {
    const holder = this.#holders.get(name);
    if (holder === undefined) {
      throw new BertramError(
        'not-found',
        `${this.path}: no tensor named ${shown(name)} among its ${this.tensors.size}`,
      );
    }
    return holder;
  }
}

/** The metadata on which all shards agree. */
function commonEntries(maps: readonly ReadonlyMap<string, string>[]): ReadonlyMap<string, string> {
  const [first = new Map<string, string>(), ...others] = maps;
  return new Map([...first].filter(([key, value]) => others.every((map) => map.get(key) === value)));
}
