/**
 * A model in Hugging Face layout: a directory of `config.json`, `vocab.txt` or `tokenizer.json`, and weights.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BertramError, badInput, shown, messageOf } from '../support/errors.ts';
import { fileError, systemCode } from './file-error.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { INDEX_FILE, SINGLE_FILE } from './shard-index.ts';
import { openShardedSafetensors } from './sharded-reader.ts';
import { readTextFileIfPresent } from './text-file.ts';
import type { WeightSource } from './weight-source.ts';

/** The texts of a model directory. What they say is for the rooms that own them to parse. */
export interface ModelDirectory {
  readonly path: string;
  /** `config.json` */
  readonly configText: string;
  /** `vocab.txt`, one token a line. This or `tokenizerJsonText` is there. */
  readonly vocabText: string | undefined;
  /** `tokenizer.json` */
  readonly tokenizerJsonText: string | undefined;
  /** `do_lower_case` of `tokenizer_config.json`; undefined if it does not say. */
  readonly doLowerCase: boolean | undefined;
}

/** Weights in formats that must be converted first, by file name. */
const FOREIGN_WEIGHTS: readonly (readonly [file: string, format: string])[] = [
  ['pytorch_model.bin', 'PyTorch'],
  ['pytorch_model.bin.index.json', 'sharded PyTorch'],
  ['tf_model.h5', 'Keras'],
  ['bert_model.ckpt.index', 'TensorFlow 1'],
  ['flax_model.msgpack', 'Flax'],
];

/**
 * Reads the texts of a model directory.
 *
 * @throws BertramError `not-found` if the directory, its configuration, or both vocabulary files are missing;
 * `bad-input` for a file that is too long or not UTF-8
 */
export async function readModelDirectory(path: string): Promise<ModelDirectory> {
  await checkDirectory(path);
  const configText = await readTextFileIfPresent(join(path, 'config.json'));
  if (configText === undefined) notFound(path, 'config.json', 'no such file in the directory');
  const vocabText = await readTextFileIfPresent(join(path, 'vocab.txt'));
  const tokenizerJsonText = await readTextFileIfPresent(join(path, 'tokenizer.json'));
  if (vocabText === undefined && tokenizerJsonText === undefined)
    notFound(path, 'vocab.txt or tokenizer.json', 'neither');
  return { path, configText, vocabText, tokenizerJsonText, doLowerCase: await readDoLowerCase(path) };
}

/**
 * Opens the weights of a model directory: `model.safetensors`, or the shards of `model.safetensors.index.json`.
 *
 * @throws BertramError `not-found` naming what was looked for; `unsupported` if there are only weights of another format
 */
export async function openModelWeights(path: string): Promise<WeightSource> {
  await checkDirectory(path);
  if (await exists(join(path, SINGLE_FILE))) return openSafetensors(join(path, SINGLE_FILE));
  if (await exists(join(path, INDEX_FILE))) return openShardedSafetensors(join(path, INDEX_FILE));
  for (const [file, format] of FOREIGN_WEIGHTS) {
    if (!(await exists(join(path, file)))) continue;
    throw new BertramError(
      'unsupported',
      `${path}: expected ${SINGLE_FILE}, got ${file}: ${format} weights must be converted to safetensors first`,
    );
  }
  notFound(path, `${SINGLE_FILE} or ${INDEX_FILE}`, 'neither');
}

async function readDoLowerCase(path: string): Promise<boolean | undefined> {
  const file = join(path, 'tokenizer_config.json');
  const text = await readTextFileIfPresent(file);
  if (text === undefined) return undefined;
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    badInput(file, 'JSON', messageOf(error));
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    badInput(file, 'an object', shown(config));
  if (!('do_lower_case' in config)) return undefined;
  if (typeof config.do_lower_case !== 'boolean') {
    badInput(`${file}: do_lower_case`, 'true or false', shown(config.do_lower_case));
  }
  return config.do_lower_case;
}

async function checkDirectory(path: string): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') notFound(path, 'a model directory', 'no such directory');
    throw fileError(path, 'cannot be read', error);
  }
  if (!isDirectory) badInput(path, 'a model directory', 'a file');
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw fileError(path, 'cannot be read', error);
  }
}

function notFound(where: string, expected: string, got: string): never {
  throw new BertramError('not-found', `${where}: expected ${expected}, got ${got}`);
}
