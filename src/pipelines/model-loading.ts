/** Question-answering models from directories. Needs Node. */
import { availableParallelism } from 'node:os';
import { bertConfigOf, loadBertParameters } from '../bert/index.ts';
import { dequantizeRows, type ModelDirectory } from '../checkpoint/index.ts';
import type { Parameter } from '../nn/index.ts';
import type { Int8Weight } from '../onnx/index.ts';
import { badInput, shown } from '../support/errors.ts';
import { openModelDirectory } from './model-directory.ts';
import { loadTokenizer } from './model-tokenizer.ts';
import {
  isQuantizable,
  questionAnsweringGraph,
  QuestionAnsweringModel,
  quantizeWeights,
  type Precision,
  type QuestionAnsweringWeights,
} from './question-answering-model.ts';

export interface ModelLoadOptions {
  /** A directory in Hugging Face layout; the model that ships with the package unless told. */
  readonly model?: string;
  /** Unless told, int8 if the directory stores int8 matrices, else float32. */
  readonly precision?: Precision;
  /** That the model may keep busy; one a core unless told. */
  readonly threads?: number;
}

/**
 * Loads a model that answers questions.
 *
 * @throws BertramError with a line that names the file, for anything missing, malformed or not fitting together
 */
export async function loadQuestionAnsweringModel(
  options: ModelLoadOptions = {},
): Promise<QuestionAnsweringModel> {
  const { precision, threads = availableParallelism() } = options;
  // One lane more than cores: they are busy while the results of a window are handed over.
  const lanes = options.threads ?? threads + 1;
  if (precision !== undefined && !['float32', 'int8'].includes(precision)) {
    badInput('precision', 'float32 or int8', shown(precision));
  }
  const directory = await openModelDirectory(options.model);
  const config = bertConfigOf(directory);
  const tokenizer = loadTokenizer(directory);
  const { parameters } = questionAnsweringGraph(config);
  const weights = await loadWeights(directory, parameters, precision);
  return QuestionAnsweringModel.create({
    name: directory.path,
    config,
    tokenizer,
    weights,
    threads,
    lanes,
  });
}

async function loadWeights(
  directory: ModelDirectory,
  declared: readonly Parameter[],
  precision: Precision | undefined,
): Promise<QuestionAnsweringWeights> {
  const keepQuantized = precision !== 'float32';
  const { parameters, quantized } = await loadBertParameters(directory, declared, { keepQuantized });
  const float32 = new Map(parameters);
  const int8 = new Map<string, Int8Weight>();
  for (const parameter of declared) {
    const matrix = quantized.get(parameter.name);
    if (matrix === undefined) continue;
    // Rows of the embeddings are looked up, not multiplied.
    if (isQuantizable(parameter)) int8.set(parameter.name, matrix);
    else float32.set(parameter.name, dequantizeRows(matrix));
  }
  return precision === 'int8' && int8.size === 0 ? quantizeWeights(float32, declared) : { float32, int8 };
}
