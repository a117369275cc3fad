/**
 * Fine-tuning on question answering, as transformers' `run_qa.py` does it: windows labelled with positions, cross
 * entropy over start and end, and a model directory at the end that transformers loads.
 */
import { mkdir } from 'node:fs/promises';
import {
  bertConfigOf,
  bertFiles,
  bertForQuestionAnswering,
  bertInputs,
  loadBertParameters,
  restoreBert,
  saveBert,
  spanLoss,
  type BertConfig,
  type BertTexts,
} from '../bert/index.ts';
import {
  arraysSha256,
  readModelDirectory,
  type LoadedParameters,
  type ModelDirectory,
} from '../checkpoint/index.ts';
import { onFirstRank, singleProcess } from '../distributed/index.ts';
import { input } from '../graph/index.ts';
import { Dropout, Parameters } from '../nn/index.ts';
import {
  Checkpoints,
  readCheckpoint,
  train,
  writeTrainerState,
  type Objective,
  type TrainingData,
  type TrainingEvent,
  type TrainingHooks,
  type TrainingOptions,
  type TrainingProgress,
  type TrainingResult,
  type TrainingState,
} from '../training/index.ts';
import { badInput } from '../support/errors.ts';
import { padWindows } from './question-batches.ts';
import type { SquadWindow } from './squad-features.ts';

/** The parameters that a pretrained model does not have: they begin at random. */
const NEW_HEAD = 'qa_outputs.';
const ARCHITECTURE = 'BertForQuestionAnswering';

export interface FineTuningOptions {
  /** What training starts from: a pretrained model, or one that answers questions already. */
  readonly model: ModelDirectory;
  /** Labelled windows of the training examples. */
  readonly windows: readonly SquadWindow[];
  readonly training: TrainingOptions;
  readonly outputDir: string;
  /** Pad every batch to this length, instead of to its longest window. */
  readonly padToLength?: number;
  /** Checkpoints to keep, the newest; all unless told. */
  readonly saveTotalLimit?: number;
  /** A `checkpoint-N` directory of the same run to go on from. */
  readonly resumeFrom?: string;
  /** Replaces the configuration's two dropout rates. */
  readonly dropout?: number;
  /** Judges the parameters while they are trained. */
  readonly evaluate?: TrainingHooks['evaluate'];
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Asks the run to stop after the update under way; see `TrainingHooks`. */
  readonly signal?: AbortSignal;
  /** Told which parameters begin at random, and which tensors of the model are of no use here, such as other heads. */
  readonly onLoaded?: (weights: Pick<LoadedParameters, 'missing' | 'unexpected'>) => void;
}

/**
 * Trains, and writes the model, `trainer_state.json` and checkpoints into the output directory.
 *
 * @throws BertramError `bad-input` when windows are longer than the model's positions, or the checkpoint does not fit;
 * `failed` when a loss is not finite or a file cannot be written
 * @throws TrainingStopped when `signal` asked for it: there is then a checkpoint, and no model
 */
export async function fineTune(options: FineTuningOptions): Promise<TrainingResult> {
  const { model, windows, outputDir } = options;
  const stored = bertConfigOf(model);
  const config = options.dropout === undefined ? stored : withDropout(stored, options.dropout);
  checkLengths(windows, config, options.padToLength);
  checkIds(windows, config);
  const objective = questionAnsweringObjective(config);
  const data = trainingData(windows, config, options.padToLength);
  const texts: BertTexts = { architecture: ARCHITECTURE, config: stored, vocabulary: model };
  const { saveTotalLimit: limit = Infinity, evaluate, onEvent, signal } = options;
  const checkpoints = new Checkpoints(outputDir, { limit });
  await mkdir(outputDir, { recursive: true });

  const { state, progress, result } = await train(objective, data, options.training, {
    initialize: (state) => initialize(state, options),
    save: (state, progress) => checkpoints.write(state, progress, bertFiles(texts, state.valueTensors())),
    load: async (state, step) => restoreBert(await checkpoints.find(step), state.valueViews()),
    ...(evaluate === undefined ? {} : { evaluate }),
    ...(onEvent === undefined ? {} : { onEvent }),
    ...(signal === undefined ? {} : { signal }),
  });
  await onFirstRank(options.training.ranks ?? singleProcess, async () => {
    await saveBert(outputDir, texts, state.valueTensors());
    await writeTrainerState(outputDir, progress);
  });
  return result;
}

/** The graph that is trained: inputs `input_ids`, `token_type_ids`, `attention_mask`, `start_positions`, `end_positions`. */
export function questionAnsweringObjective(config: BertConfig): Objective {
  const parameters = new Parameters();
  const dropout = new Dropout({ training: true });
  const logits = bertForQuestionAnswering(parameters, config, bertInputs(), dropout);
  const position = (name: string) => input(name, 'int32', ['B']);
  const loss = spanLoss(logits, position('start_positions'), position('end_positions'));
  return { loss, parameters: parameters.all, dropout };
}

function trainingData(
  windows: readonly SquadWindow[],
  config: BertConfig,
  padToLength?: number,
): TrainingData {
  return {
    lengths: Uint32Array.from(windows, ({ inputIds }) => inputIds.length),
    sha256: arraysSha256(
      windows.flatMap(({ inputIds, tokenTypeIds, startPosition, endPosition }) => [
        ...[inputIds, tokenTypeIds],
        Int32Array.of(startPosition, endPosition),
      ]),
    ),
    // The logits of padding are in the softmax, too.
    collate: (indices, longest) => {
      const members = Array.from(indices, (index) => windows[index]!);
      const feeds = padWindows(members, config.padTokenId, padToLength ?? longest);
      const [batch, sequence] = feeds.input_ids.shape as [number, number];
      const positions = (of: (window: SquadWindow) => number) => ({
        data: Int32Array.from(members, of),
        shape: [batch],
      });
      return {
        feeds: {
          ...feeds,
          start_positions: positions(({ startPosition }) => startPosition),
          end_positions: positions(({ endPosition }) => endPosition),
        },
        sizes: new Map([
          ['B', batch],
          ['S', sequence],
        ]),
      };
    },
  };
}

async function initialize(
  state: TrainingState,
  { model, resumeFrom, training, onLoaded }: FineTuningOptions,
): Promise<TrainingProgress | undefined> {
  const from = resumeFrom === undefined ? model : await readModelDirectory(resumeFrom);
  state.initialize(training.seed, (name) => name.startsWith(NEW_HEAD));
  const loaded = await loadBertParameters(from, state.parameters, {
    into: (name) => state.viewOf(state.values, name).data,
    mayMiss: resumeFrom === undefined ? [NEW_HEAD] : [],
  });
  if (resumeFrom !== undefined) return readCheckpoint(resumeFrom, state);
  onLoaded?.(loaded);
  return undefined;
}

function withDropout(config: BertConfig, rate: number): BertConfig {
  return { ...config, hiddenDropoutProb: rate, attentionProbsDropoutProb: rate };
}

function checkLengths(
  windows: readonly SquadWindow[],
  { maxPositionEmbeddings }: BertConfig,
  padToLength?: number,
): void {
  const longest = windows.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0);
  if (padToLength !== undefined && padToLength < longest) {
    badInput('padding', `a length of at least the longest window's ${longest} pieces`, `${padToLength}`);
  }
  const length = padToLength ?? longest;
  if (length > maxPositionEmbeddings) {
    badInput('max_seq_length', `at most the model's ${maxPositionEmbeddings} positions`, `${length}`);
  }
}

/** A tokenizer with more entries than the model has rows would otherwise fail inside the engine. */
function checkIds(windows: readonly SquadWindow[], { vocabSize }: BertConfig): void {
  for (const { inputIds } of windows) {
    const id = inputIds.find((candidate) => candidate >= vocabSize);
    if (id !== undefined) badInput('tokenizer', `ids below the model's vocab_size ${vocabSize}`, `${id}`);
  }
}
