/**
 * Published checkpoints to model directories that transformers loads: parameters under today's names with their element
 * types as they are, tensor by tensor, so that a model of any size passes through the memory of its largest.
 */
import { join } from 'node:path';
import {
  checkRepeats,
  readTextFileIfPresent,
  storedByName,
  tiedName,
  type ModelDirectory,
  type TensorToWrite,
  type WeightSource,
} from '../checkpoint/index.ts';
import { Dropout, Parameters } from '../nn/index.ts';
import { BertramError, badInput, shown } from '../support/errors.ts';
import { formatJson } from '../support/json-text.ts';
import type { BertConfig } from './config.ts';
import { bertEncoder, bertInputs } from './model.ts';
import { bertConfigOf, formatTokenizerConfig, writeModelDirectory } from './pretrained.ts';

/** What transformers calls a BERT with these parts, the first whose parts are all there. */
const ARCHITECTURES: readonly (readonly [architecture: string, ...parts: string[]])[] = [
  ['BertForPreTraining', 'cls.predictions.transform.', 'cls.seq_relationship.'],
  ['BertForMaskedLM', 'cls.predictions.transform.'],
  ['BertForNextSentencePrediction', 'cls.seq_relationship.'],
  ['BertForQuestionAnswering', 'qa_outputs.'],
  ['BertForSequenceClassification', 'classifier.'],
  ['BertModel'],
];

/** Where parameters may lie besides the encoder, whose every one is known. */
const HEADS: readonly string[] = [
  'bert.pooler.dense.',
  'cls.predictions.',
  'cls.seq_relationship.',
  'qa_outputs.',
  'classifier.',
];

const FLOATS: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16', 'F64']);

export interface Conversion {
  /** The class in transformers. */
  readonly architecture: string;
  readonly tensors: number;
  /** Numbers in all tensors. */
  readonly parameters: number;
  /** What did not go along: names in the source, with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/**
 * @param model the configuration and the vocabulary
 * @param lowercase whether the vocabulary is of lower-case text, for models that do not say
 * @throws BertramError `bad-input` when weights and configuration do not fit together, before anything is written
 */
export async function convertBert(
  model: ModelDirectory,
  source: WeightSource,
  outputDir: string,
  lowercase: boolean,
): Promise<Conversion> {
  const config = bertConfigOf(model);
  const { tensors, leftOut } = await selectTensors(source, config);
  const names = tensors.map(({ name }) => name);
  const [inferred] = ARCHITECTURES.find(([, ...parts]) =>
    parts.every((part) => names.some((name) => name.startsWith(part))),
  )!;
  const configFile = completeConfig(model.configText, inferred, tensors);
  const tokenizerConfig = await readTextFileIfPresent(join(model.path, 'tokenizer_config.json'));
  const files = {
    'config.json': formatJson(configFile),
    'vocab.txt': model.vocabText,
    'tokenizer.json': model.tokenizerJsonText,
    'tokenizer_config.json': tokenizerConfig ?? formatJson(formatTokenizerConfig(config, lowercase)),
  };
  await writeModelDirectory(outputDir, files, tensors);
  const [architecture] = configFile.architectures;
  const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return { architecture: architecture ?? inferred, tensors: tensors.length, parameters, leftOut };
}

/** Sorts the tensors of a source into those that are BERT's, checked against the configuration, and all others. */
async function selectTensors(source: WeightSource, config: BertConfig) {
  const encoder = new Map(encoderParameters(config).map(({ name, shape }) => [name, shape]));
  const stored = storedByName(source);
  const taken = new Set<string>();
  const leftOut = new Map(source.leftOut);
  const tensors: TensorToWrite[] = [];
  for (const [name, tensor] of stored) {
    const { dtype, shape, file } = source.tensors.get(tensor)!;
    const where = `${file}: tensor ${shown(tensor)}`;
    const expected = encoder.get(name);
    taken.add(tensor);
    if (expected === undefined && !HEADS.some((head) => name.startsWith(head))) {
      leftOut.set(tensor, 'not a parameter of this BERT');
      continue;
    }
    // Of two names for one parameter the decoder's goes, as in files of transformers.
    const twin = name.startsWith('cls.predictions.decoder.') ? stored.get(tiedName(name) ?? '') : undefined;
    if (twin !== undefined) {
      await checkRepeats(source, tensor, twin);
      leftOut.set(tensor, `repeats ${twin}`);
      continue;
    }
    if (expected !== undefined && String(expected) !== String(shape)) {
      badInput(where, `shape ${shown(expected)}, as the configuration says`, shown(shape));
    }
    if (!FLOATS.has(dtype)) {
      throw new BertramError('unsupported', `${where}: expected ${[...FLOATS].join(', ')}, got ${dtype}`);
    }
    tensors.push({ name, dtype, shape, data: () => source.read(tensor) });
  }
  for (const name of encoder.keys()) {
    if (!stored.has(name)) badInput(source.path, `parameter ${name}, as the configuration says`, 'none');
  }
  for (const tensor of source.tensors.keys()) if (!taken.has(tensor)) leftOut.set(tensor, 'a constant');
  for (const tensor of source.unlisted) leftOut.set(tensor, 'not in the index of the shards');
  return { tensors, leftOut };
}

function encoderParameters(config: BertConfig) {
  const parameters = new Parameters();
  bertEncoder(parameters.in('bert'), config, bertInputs(), new Dropout({ training: false }));
  return parameters.all;
}

/** The configuration as it came, with what transformers needs to know a BERT and its class. */
function completeConfig(configText: string, architecture: string, tensors: readonly TensorToWrite[]) {
  const given = JSON.parse(configText) as { readonly architectures?: unknown; readonly id2label?: unknown };
  const { architectures } = given;
  const isSaid = Array.isArray(architectures) && typeof architectures[0] === 'string';
  return {
    ...given,
    ...(given.id2label === undefined ? classLabels(tensors) : {}),
    architectures: isSaid ? (architectures as string[]) : [architecture],
    model_type: 'bert',
  };
}

/** Names of the classes, of which transformers counts them: it takes two where nothing is said. */
function classLabels(tensors: readonly TensorToWrite[]): Record<string, unknown> {
  const count = tensors.find(({ name }) => name === 'classifier.weight')?.shape[0];
  if (count === undefined) return {};
  const labels = Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  return {
    id2label: Object.fromEntries(labels.entries()),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  };
}
