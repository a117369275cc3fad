/** Classifiers from labelled texts: on frozen features, or fine-tuned with the encoder. Needs Node. */
import { bertConfigOf } from '../bert/index.ts';
import {
  fineTuneClassifier,
  fitLogisticRegression,
  labelIds,
  labelsOf,
  saveLinearClassifier,
  type FeatureMatrix,
  type FittedClassifier,
  type LabelledText,
  type LogisticRegressionOptions,
  type PooledFeatures,
} from '../classification/index.ts';
import { badInput } from '../support/errors.ts';
import { truncatedInput, type TextOrPair } from '../tokenizers/index.ts';
import { FeatureExtractor, type TextFeatures } from './features.ts';
import { openModelDirectory } from './model-directory.ts';
import { loadTokenizer } from './model-tokenizer.ts';

type FineTuning = Parameters<typeof fineTuneClassifier>[0];
export type ClassifierTrainingOptions = FineTuning['training'];
export type ClassifierTrainingEvent = Parameters<NonNullable<FineTuning['onEvent']>>[0];
export type ClassifierTrainingResult = Awaited<ReturnType<typeof fineTuneClassifier>>;

interface ClassifierOptions {
  /** A directory in Hugging Face layout; the model that ships with the package unless told. */
  readonly model?: string;
  readonly examples: readonly LabelledText[];
  /** Pieces of a text that are read, special tokens included. Default 128. */
  readonly maxSeqLength?: number;
  readonly outputDir: string;
  /** Called with each text as it is read, in their order. */
  readonly onText?: (text: { readonly cutPieces: number }) => void;
}

export interface FeatureClassifierOptions extends ClassifierOptions, LogisticRegressionOptions {
  /** Default: the mean over the tokens of the last layer. */
  readonly features?: PooledFeatures;
}

export interface FineTunedClassifierOptions
  extends ClassifierOptions, Pick<FineTuning, 'saveTotalLimit' | 'resumeFrom' | 'signal'> {
  readonly training: ClassifierTrainingOptions;
  readonly onEvent?: (event: ClassifierTrainingEvent) => void;
}

const DEFAULT_MAX_SEQ_LENGTH = 128;

/** Logistic regression on the features of a model that stays as it is. */
export async function trainFeatureClassifier(options: FeatureClassifierOptions): Promise<FittedClassifier> {
  const { examples, outputDir, threads, onText } = options;
  const features = options.features ?? { layer: -1, pooling: 'mean' };
  if (features.pooling === 'cls' && features.layer === 0) {
    badInput('features: layer', 'one in which [CLS] has seen its text', '0, the embeddings');
  }
  const labels = labelsOfTraining(examples);
  const maxSeqLength = options.maxSeqLength ?? DEFAULT_MAX_SEQ_LENGTH;
  const extractor = await FeatureExtractor.load({
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(threads === undefined ? {} : { threads }),
    layers: [features.layer],
    pooling: features.pooling,
    maxSeqLength,
  });
  let matrix: FeatureMatrix;
  try {
    const texts = examples.map(({ text }) => text);
    matrix = {
      features: await featureMatrix(extractor, texts, onText),
      labels: labelIds(examples, labels, 'training'),
    };
  } finally {
    await extractor.release();
  }
  const fitted = await fitLogisticRegression(matrix, labels.length, options);
  const model = await openModelDirectory(options.model);
  await saveLinearClassifier(outputDir, model, { labels, maxSeqLength, features }, fitted);
  return fitted;
}

/** One pooled vector for each text: [n, H]. */
export async function featureMatrix(
  extractor: FeatureExtractor,
  texts: readonly TextOrPair[],
  onText: (text: TextFeatures) => void = () => undefined,
): Promise<Float32Array> {
  const { hiddenSize } = extractor.model.config;
  const matrix = new Float32Array(texts.length * hiddenSize);
  let row = 0;
  for await (const text of extractor.extract(texts)) {
    matrix.set(text.layers[0]!.values, row * hiddenSize);
    row += 1;
    onText(text);
  }
  return matrix;
}

/** Trains encoder, pooler and head together. */
export async function trainFineTunedClassifier(
  options: FineTunedClassifierOptions,
): Promise<ClassifierTrainingResult> {
  const { examples, model: modelName, maxSeqLength: asked, onText, ...fineTuning } = options;
  const labels = labelsOfTraining(examples);
  const model = await openModelDirectory(modelName);
  const { maxPositionEmbeddings } = bertConfigOf(model);
  const maxSeqLength = asked ?? Math.min(DEFAULT_MAX_SEQ_LENGTH, maxPositionEmbeddings);
  const tokenizer = loadTokenizer(model);
  return fineTuneClassifier({
    model,
    head: { labels, maxSeqLength },
    sequences: examples.map(({ text }) => {
      const input = truncatedInput(tokenizer, text, maxSeqLength);
      onText?.(input);
      return input;
    }),
    labels: labelIds(examples, labels, 'training'),
    ...fineTuning,
  });
}

function labelsOfTraining(examples: readonly LabelledText[]): string[] {
  const labels = labelsOf(examples);
  if (labels.length < 2) badInput('training: labels', 'two or more', labels.join(', ') || 'none');
  return labels;
}
