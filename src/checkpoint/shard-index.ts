/**
 * The index of a sharded model, `model.safetensors.index.json`: which file holds which tensor.
 *
 *     { "metadata": { "total_size": 24 }, "weight_map": { "a": "model-00001-of-00002.safetensors", ... } }
 *
 * Reference: `split_torch_state_dict_into_shards` of huggingface_hub and `save_pretrained` of transformers.
 */
import { badInput, shown } from '../support/errors.ts';
import { JsonScanner } from './json-scanner.ts';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';
/** The same two of PyTorch's format, by which transformers saved until 2023. */
export const PYTORCH_FILE = 'pytorch_model.bin';
export const PYTORCH_INDEX_FILE = 'pytorch_model.bin.index.json';

/** The name of one shard; `ordinal` counts from 1. */
export function shardFile(ordinal: number, shards: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `model-${digits(ordinal)}-of-${digits(shards)}.safetensors`;
}

/** Whether a file name is that of a shard, of whatever set. */
export function isShardFile(name: string): boolean {
  return /^model-\d{5}-of-\d{5}\.safetensors$/.test(name);
}

/**
 * The map from tensors to files of an index, checked: plain file names only, so that no index reaches out of its
 * directory. (A file there may well be a link: the Hub's cache is made of them.)
 *
 * @param where the index file, to open error lines
 */
export function parseShardIndex(json: string, where: string): ReadonlyMap<string, string> {
  let weightMap: Map<string, string> | undefined;
  const scanner = new JsonScanner(json, where);
  scanner.object((key) => {
    if (key !== 'weight_map') {
      scanner.skip();
      return;
    }
    const map = (weightMap = new Map<string, string>());
    scanner.object((tensor) => {
      const file = scanner.string('the name of a file');
      // Both separators and the drive colon on every system: an index must mean the same everywhere.
      if (file === '' || file === '.' || file === '..' || /[/\\:\0]/.test(file)) {
        badInput(`${where}: tensor ${shown(tensor)}`, 'a plain file name within the directory', shown(file));
      }
      map.set(tensor, file);
    });
  });
  scanner.end();
  if (weightMap === undefined) badInput(where, 'a weight_map', 'none');
  return weightMap;
}

/** The index as transformers writes it: two-space indent, keys sorted, a newline at the end. */
export function formatShardIndex(weightMap: ReadonlyMap<string, string>, totalSize: number): string {
  const names = [...weightMap.keys()].sort();
  const lines = names.map((name) => `    ${JSON.stringify(name)}: ${JSON.stringify(weightMap.get(name))}`);
  return `{\n  "metadata": {\n    "total_size": ${totalSize}\n  },\n  "weight_map": {\n${lines.join(',\n')}\n  }\n}\n`;
}
