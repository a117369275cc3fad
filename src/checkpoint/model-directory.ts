/**
 * A model in Hugging Face layout: a directory of `config.json`, `vocab.txt` or `tokenizer.json`, and weights. A zip of
 * google-research/bert, with `bert_config.json` and a TensorFlow checkpoint, serves as well.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BertramError, badInput, shown, messageOf } from '../support/errors.ts';
import { fileError, systemCode } from './file-error.ts';
import { openPyTorch } from './pytorch-reader.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { INDEX_FILE, PYTORCH_FILE, PYTORCH_INDEX_FILE, SINGLE_FILE } from './shard-index.ts';
import { openShardedPyTorch, openShardedSafetensors } from './sharded-reader.ts';
import { TENSORFLOW_INDEX_SUFFIX, openTensorFlowCheckpoint } from './tensorflow-checkpoint.ts';
import { findTensorFlowCheckpoint } from './tensorflow-directory.ts';
import { readTextFileIfPresent } from './text-file.ts';
import type { WeightSource } from './weight-source.ts';

/** The texts of a model directory. What they say is for the rooms that own them to parse. */
export interface ModelDirectory {
  readonly path: string;
  /** `config.json`, or `bert_config.json` where there is none; in error lines. */
  readonly configFile: string;
  readonly configText: string;
  /** `vocab.txt`, one token a line. This or `tokenizerJsonText` is there. */
  readonly vocabText: string | undefined;
  /** `tokenizer.json` */
  readonly tokenizerJsonText: string | undefined;
  /** `do_lower_case` of `tokenizer_config.json`; undefined if it does not say. */
  readonly doLowerCase: boolean | undefined;
}

/** Configurations by name, the first that is there. */
const CONFIG_FILES: readonly string[] = ['config.json', 'bert_config.json'];

/** Weights by file name, the first that is there. */
const WEIGHT_FILES: readonly (readonly [file: string, open: (path: string) => Promise<WeightSource>])[] = [
  [SINGLE_FILE, openSafetensors],
  [INDEX_FILE, openShardedSafetensors],
  [PYTORCH_FILE, openPyTorch],
  [PYTORCH_INDEX_FILE, openShardedPyTorch],
];

/** Weights in formats that are not read. */
const FOREIGN_WEIGHTS: readonly (readonly [file: string, format: string])[] = [
  ['tf_model.h5', 'Keras'],
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
  const { configFile, configText } = await readConfig(path);
  const vocabText = await readTextFileIfPresent(join(path, 'vocab.txt'));
  const tokenizerJsonText = await readTextFileIfPresent(join(path, 'tokenizer.json'));
  if (vocabText === undefined && tokenizerJsonText === undefined)
    notFound(path, 'vocab.txt or tokenizer.json', 'neither');
  return {
    path,
    configFile,
    configText,
    vocabText,
    tokenizerJsonText,
    doLowerCase: await readDoLowerCase(path),
  };
}

/**
 * Opens the weights of a model directory: safetensors, else PyTorch's, single or in shards, else a TensorFlow checkpoint.
 *
 * @throws BertramError `not-found` naming what was looked for; `unsupported` if there are only weights of another format
 */
export async function openModelWeights(path: string): Promise<WeightSource> {
  await checkDirectory(path);
  for (const [file, open] of WEIGHT_FILES) {
    if (await exists(join(path, file))) return open(join(path, file));
  }
  const prefix = await findTensorFlowCheckpoint(path);
  if (prefix !== undefined) return openTensorFlowCheckpoint(prefix);
  for (const [file, format] of FOREIGN_WEIGHTS) {
    if (!(await exists(join(path, file)))) continue;
    throw new BertramError(
      'unsupported',
      `${path}: expected ${SINGLE_FILE}, got ${file}: ${format} weights are not read; transformers converts them`,
    );
  }
  notFound(path, `${SINGLE_FILE}, ${PYTORCH_FILE}, an index of either or a TensorFlow checkpoint`, 'none');
}

/** Opens weights named by their file, by the prefix of a TensorFlow checkpoint, or by their directory. */
export async function openWeights(path: string): Promise<WeightSource> {
  if (path.endsWith('.safetensors')) return openSafetensors(path);
  if (path.endsWith('.safetensors.index.json')) return openShardedSafetensors(path);
  if (/\.(bin|pt|pth)$/.test(path)) return openPyTorch(path);
  if (path.endsWith('.bin.index.json')) return openShardedPyTorch(path);
  if (path.endsWith(TENSORFLOW_INDEX_SUFFIX)) {
    return openTensorFlowCheckpoint(path.slice(0, -TENSORFLOW_INDEX_SUFFIX.length));
  }
  if (await exists(path + TENSORFLOW_INDEX_SUFFIX)) return openTensorFlowCheckpoint(path);
  return openModelWeights(path);
}

async function readConfig(path: string): Promise<Pick<ModelDirectory, 'configFile' | 'configText'>> {
  for (const configFile of CONFIG_FILES) {
    const configText = await readTextFileIfPresent(join(path, configFile));
    if (configText !== undefined) return { configFile, configText };
  }
  notFound(path, 'config.json', 'no such file in the directory');
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
