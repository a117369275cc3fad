/** A BERT from its model directory: configuration parsed, parameters matched with those that a graph declares; and back. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  loadParameters,
  modelWeightsFile,
  openModelWeights,
  readModelDirectory,
  writeFileAtomic,
  writeModelWeights,
  type FileToWrite,
  type LoadedParameters,
  type LoadOptions,
  type ModelDirectory,
  type TensorToWrite,
} from '../checkpoint/index.ts';
import type { Parameter } from '../nn/index.ts';
import { BertramError, badInput, messageOf } from '../support/errors.ts';
import { formatJson } from '../support/json-text.ts';
import { formatBertConfig, parseBertConfig, type BertConfig } from './config.ts';

/** @throws BertramError `bad-input` when the configuration is not JSON, or a field does not fit */
export function bertConfigOf({ path, configFile, configText }: ModelDirectory): BertConfig {
  const where = `${path}/${configFile}`;
  let json: unknown;
  try {
    json = JSON.parse(configText);
  } catch (error) {
    badInput(where, 'JSON', messageOf(error));
  }
  return parseBertConfig(json, where);
}

export interface BertLoadOptions extends LoadOptions {
  /** The parameters that may be missing, such as a head that is yet to be trained; by the beginning of their names. */
  readonly mayMiss?: readonly string[];
  /** Where to put a parameter's numbers; a new array where it returns nothing. */
  readonly into?: (name: string) => Float32Array | undefined;
}

/**
 * Loads the parameters that a graph declares.
 *
 * @throws BertramError `bad-input` naming the parameters that are missing and may not be
 */
export async function loadBertParameters(
  { path }: ModelDirectory,
  declared: readonly Pick<Parameter, 'name' | 'shape'>[],
  { mayMiss = [], into, ...options }: BertLoadOptions = {},
): Promise<LoadedParameters> {
  const source = await openModelWeights(path);
  try {
    const wanted = declared.map(({ name, shape }) => {
      const target = into?.(name);
      return { name, shape, ...(target === undefined ? {} : { into: target }) };
    });
    const loaded = await loadParameters(source, wanted, options);
    const missed = loaded.missing.filter((name) => !mayMiss.some((beginning) => name.startsWith(beginning)));
    if (missed.length > 0) {
      const shown = missed.slice(0, 3).join(', ');
      const all = missed.length > 3 ? `${shown} and ${missed.length - 3} more` : shown;
      throw new BertramError(
        'bad-input',
        `${path}: expected all ${declared.length} parameters, got none for ${all}`,
      );
    }
    return loaded;
  } finally {
    await source.close();
  }
}

/**
 * Fills parameters with those of an earlier state of their model.
 *
 * @param directory where that is stored; nothing happens without one
 * @returns whether there was one
 */
export async function restoreBert(
  directory: string | undefined,
  parameters: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>,
): Promise<boolean> {
  if (directory === undefined) return false;
  const declared = Object.entries(parameters).map(([name, { shape }]) => ({ name, shape }));
  const into = (name: string): Float32Array | undefined => parameters[name]?.data;
  await loadBertParameters(await readModelDirectory(directory), declared, { into });
  return true;
}

/** What a model directory holds besides its weights. */
export interface BertTexts {
  /** The class in transformers that has these parameters, such as `BertForQuestionAnswering`. */
  readonly architecture: string;
  readonly config: BertConfig;
  /** The vocabulary files of the model that training started from. */
  readonly vocabulary: Pick<ModelDirectory, 'vocabText' | 'tokenizerJsonText' | 'doLowerCase'>;
  /** What `config.json` says of a head besides, such as `id2label`. */
  readonly headFields?: Readonly<Record<string, unknown>>;
}

/** Writes a model directory that transformers loads: configuration, vocabulary and weights. */
export async function saveBert(
  directory: string,
  texts: BertTexts,
  tensors: readonly TensorToWrite[],
): Promise<void> {
  await writeModelDirectory(directory, textsOf(texts), tensors);
}

/** The files of that directory, for whoever writes them with others. */
export function bertFiles(texts: BertTexts, tensors: readonly TensorToWrite[]): FileToWrite[] {
  const files = Object.entries(textsOf(texts)).flatMap(([name, content]) =>
    content === undefined ? [] : [{ name, content }],
  );
  return [...files, modelWeightsFile(tensors)];
}

function textsOf({
  architecture,
  config,
  vocabulary,
  headFields,
}: BertTexts): Record<string, string | undefined> {
  const { vocabText, tokenizerJsonText, doLowerCase = false } = vocabulary;
  return {
    'config.json': formatJson({ ...formatBertConfig(config, architecture), ...headFields }),
    'vocab.txt': vocabText,
    'tokenizer.json': tokenizerJsonText,
    'tokenizer_config.json': formatJson(formatTokenizerConfig(config, doLowerCase)),
  };
}

/** Writes texts by file name, those that there are, and then weights, into a directory that is made if need be. */
export async function writeModelDirectory(
  directory: string,
  files: Readonly<Record<string, string | undefined>>,
  tensors: readonly TensorToWrite[],
): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    if (text !== undefined) await writeFileAtomic(join(directory, name), text);
  }
  await writeModelWeights(directory, tensors);
}

/** The `tokenizer_config.json` that transformers reads. */
export function formatTokenizerConfig(config: BertConfig, lowercase: boolean): Record<string, unknown> {
  return {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: lowercase,
    model_max_length: config.maxPositionEmbeddings,
  };
}
