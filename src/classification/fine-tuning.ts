/**
 * Fine-tuning of encoder, pooler and a new head on labelled texts, as transformers' `run_classification.py` does it; what
 * is written is a `BertForSequenceClassification` that transformers loads.
 */
import { mkdir } from 'node:fs/promises';
import {
  bertConfigOf,
  bertFiles,
  bertInputs,
  loadBertParameters,
  padSequences,
  restoreBert,
  saveBert,
  type BertConfig,
  type BertTexts,
  type BertSequence,
} from '../bert/index.ts';
import { arraysSha256, readModelDirectory, type ModelDirectory } from '../checkpoint/index.ts';
import { onFirstRank, singleProcess } from '../distributed/index.ts';
import { input } from '../graph/index.ts';
import { crossEntropy, Dropout, Parameters } from '../nn/index.ts';
import { badInput } from '../support/errors.ts';
import {
  Checkpoints,
  readCheckpoint,
  train,
  writeTrainerState,
  type Objective,
  type TrainingData,
  type TrainingEvent,
  type TrainingOptions,
  type TrainingProgress,
  type TrainingResult,
  type TrainingState,
} from '../training/index.ts';
import { classifierLogits, formatClassifierHead, type ClassifierHead } from './classifier-head.ts';

const ARCHITECTURE = 'BertForSequenceClassification';
/** What a pretrained model may lack: it then begins at random. */
const NEW_PARTS = ['bert.pooler.', 'classifier.'] as const;

export interface ClassifierFineTuningOptions {
  /** What training starts from. Its head, if it is one for the same number of classes, is trained on. */
  readonly model: ModelDirectory;
  readonly head: ClassifierHead;
  readonly sequences: readonly BertSequence[];
  /** [n] ids of labels. */
  readonly labels: Int32Array;
  readonly training: TrainingOptions;
  readonly outputDir: string;
  /** Checkpoints to keep, the newest; all unless told. */
  readonly saveTotalLimit?: number;
  /** A `checkpoint-N` directory of the same run to go on from. */
  readonly resumeFrom?: string;
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Asks the run to stop after the update under way; see `TrainingHooks`. */
  readonly signal?: AbortSignal;
}

/**
 * Trains, and writes the model, `trainer_state.json` and checkpoints into the output directory.
 *
 * @throws BertramError `bad-input` when a text is longer than the model's positions or has ids beyond its vocabulary, or
 * the checkpoint does not fit
 * @throws TrainingStopped when `signal` asked for it: there is then a checkpoint, and no model
 */
export async function fineTuneClassifier(options: ClassifierFineTuningOptions): Promise<TrainingResult> {
  const { model, head, sequences, labels, training, outputDir, onEvent, signal } = options;
  const config = bertConfigOf(model);
  checkSequences(sequences, config);
  await mkdir(outputDir, { recursive: true });
  const headFields = formatClassifierHead(head);
  const texts: BertTexts = { architecture: ARCHITECTURE, config, vocabulary: model, headFields };
  const checkpoints = new Checkpoints(outputDir, { limit: options.saveTotalLimit ?? Infinity });
  const { state, progress, result } = await train(
    classificationObjective(config, head),
    trainingData(sequences, labels, config),
    training,
    {
      initialize: (state) => initialize(state, options),
      save: (state, progress) => checkpoints.write(state, progress, bertFiles(texts, state.valueTensors())),
      load: async (state, step) => restoreBert(await checkpoints.find(step), state.valueViews()),
      ...(onEvent === undefined ? {} : { onEvent }),
      ...(signal === undefined ? {} : { signal }),
    },
  );
  await onFirstRank(training.ranks ?? singleProcess, async () => {
    await saveBert(outputDir, texts, state.valueTensors());
    await writeTrainerState(outputDir, progress);
  });
  return result;
}

async function initialize(
  state: TrainingState,
  { model, resumeFrom, training }: ClassifierFineTuningOptions,
): Promise<TrainingProgress | undefined> {
  state.initialize(training.seed, (name) => NEW_PARTS.some((part) => name.startsWith(part)));
  await loadBertParameters(
    resumeFrom === undefined ? model : await readModelDirectory(resumeFrom),
    state.parameters,
    {
      into: (name) => state.viewOf(state.values, name).data,
      mayMiss: resumeFrom === undefined ? NEW_PARTS : [],
    },
  );
  return resumeFrom === undefined ? undefined : readCheckpoint(resumeFrom, state);
}

/** The graph that is trained: inputs `input_ids`, `token_type_ids`, `attention_mask`, and `labels` int32 [B]. */
export function classificationObjective(config: BertConfig, head: ClassifierHead): Objective {
  const parameters = new Parameters();
  const dropout = new Dropout({ training: true });
  const logits = classifierLogits(head, parameters, config, bertInputs(), dropout);
  const loss = crossEntropy(logits, input('labels', 'int32', ['B']));
  return { loss, parameters: parameters.all, dropout };
}

function trainingData(
  sequences: readonly BertSequence[],
  labels: Int32Array,
  { padTokenId }: BertConfig,
): TrainingData {
  return {
    lengths: Uint32Array.from(sequences, ({ inputIds }) => inputIds.length),
    sha256: arraysSha256([
      ...sequences.flatMap(({ inputIds, tokenTypeIds }) => [inputIds, tokenTypeIds]),
      labels,
    ]),
    collate: (indices) => {
      const feeds = padSequences(
        Array.from(indices, (index) => sequences[index]!),
        padTokenId,
      );
      const [batch, sequence] = feeds.input_ids.shape as [number, number];
      const members = Int32Array.from(indices, (index) => labels[index]!);
      return {
        feeds: { ...feeds, labels: { data: members, shape: [batch] } },
        sizes: new Map([
          ['B', batch],
          ['S', sequence],
        ]),
      };
    },
  };
}

function checkSequences(sequences: readonly BertSequence[], config: BertConfig): void {
  const { maxPositionEmbeddings, vocabSize } = config;
  for (const { inputIds } of sequences) {
    if (inputIds.length > maxPositionEmbeddings) {
      badInput(
        'max_seq_length',
        `at most the model's ${maxPositionEmbeddings} positions`,
        `${inputIds.length}`,
      );
    }
    const id = inputIds.find((candidate) => candidate >= vocabSize);
    if (id !== undefined) badInput('tokenizer', `ids below the model's vocab_size ${vocabSize}`, `${id}`);
  }
}
