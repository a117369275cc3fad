/** Small question-answering models with random weights, written to directories of their own by our own writer. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBertConfig, presetConfig, type BertConfig } from '../../src/bert/index.ts';
import {
  quantizeRows,
  SCALE_SUFFIX,
  writeModelWeights,
  type TensorToWrite,
} from '../../src/checkpoint/index.ts';
import { isQuantizable, questionAnsweringGraph } from '../../src/pipelines/index.ts';
import { Random } from '../../src/support/random.ts';

/** Made by transformers (scripts/golden/bert_logits.py): letters as pieces, 96 positions. */
export const goldenModel = 'test/golden/bert';

const CHARACTERS =
  'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZéüñ0123456789.,?!עבריתعربية日本語हिन्दी😀🇩🇪\u0301';

/** A vocabulary of single characters of many scripts, as beginnings and as continuations. */
export const characterVocabulary: readonly string[] = [
  ...['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
  ...new Set(Array.from(CHARACTERS).flatMap((character) => [character, `##${character}`])),
];

export interface TinyModelOptions {
  readonly config?: Partial<BertConfig>;
  readonly vocabulary?: readonly string[];
  /** Store linear layers as int8. */
  readonly int8?: boolean;
  /** Leave these parameters out. */
  readonly without?: (name: string) => boolean;
  /** Change a parameter's numbers. */
  readonly alter?: (name: string, values: Float32Array) => void;
}

/** Weights are large, so that answers differ clearly. */
export async function writeTinyModel(options: TinyModelOptions = {}): Promise<string> {
  const { vocabulary = characterVocabulary, without = () => false, alter } = options;
  const config: BertConfig = {
    ...presetConfig('tiny', vocabulary.length),
    hiddenSize: 32,
    numAttentionHeads: 4,
    intermediateSize: 37,
    maxPositionEmbeddings: 64,
    initializerRange: 0.3,
    ...options.config,
  };
  const directory = await mkdtemp(join(tmpdir(), 'bertram-model-'));
  const tensors = questionAnsweringGraph(config).parameters.flatMap((parameter): TensorToWrite[] => {
    const { name, shape, initializer } = parameter;
    if (without(name)) return [];
    const values = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
    initializer(values, new Random(7, name));
    alter?.(name, values);
    if (options.int8 !== true || !isQuantizable(parameter))
      return [{ name, dtype: 'F32', shape, data: values }];
    const [rows, columns] = shape as [number, number];
    const quantized = quantizeRows(values, rows, columns);
    return [
      { name, dtype: 'I8', shape, data: quantized.values },
      { name: name + SCALE_SUFFIX, dtype: 'F32', shape: [rows], data: quantized.scales },
    ];
  });
  await writeModelWeights(directory, tensors);
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify(formatBertConfig(config, 'BertForQuestionAnswering')),
  );
  await writeFile(join(directory, 'vocab.txt'), vocabulary.map((token) => `${token}\n`).join(''));
  await writeFile(join(directory, 'tokenizer_config.json'), '{"do_lower_case": false}');
  return directory;
}
