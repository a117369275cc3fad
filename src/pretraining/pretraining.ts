/**
 * Pretraining, as google-research/bert `run_pretraining.py` does it: examples with masked pieces and pairs of sentences,
 * both losses summed, and a model directory at the end that transformers loads as `BertForPreTraining`.
 */
import { mkdir } from 'node:fs/promises';
import {
  bertFiles,
  restoreBert,
  loadBertParameters,
  saveBert,
  type BertConfig,
  type BertTexts,
} from '../bert/index.ts';
import { readModelDirectory, type ModelDirectory } from '../checkpoint/index.ts';
import { onFirstRank, singleProcess } from '../distributed/index.ts';
import { badInput } from '../support/errors.ts';
import {
  Checkpoints,
  readCheckpoint,
  train,
  writeTrainerState,
  type TrainingEvent,
  type TrainingHooks,
  type TrainingOptions,
  type TrainingProgress,
  type TrainingResult,
  type TrainingState,
} from '../training/index.ts';
import { PretrainingEvaluation, type PretrainingMetrics } from './evaluation.ts';
import type { PretrainingExamples } from './example.ts';
import { pretrainingObjective } from './objective.ts';
import { pretrainingData } from './pretraining-batches.ts';

const ARCHITECTURE = 'BertForPreTraining';
/** What a model that training starts from may lack, such as one that was saved without its heads. */
const HEADS = ['cls.', 'bert.pooler.'];

export interface PretrainingOptions {
  readonly config: BertConfig;
  readonly examples: PretrainingExamples;
  /** Goes with the model: the vocabulary that the examples' ids belong to. */
  readonly vocabulary: Pick<ModelDirectory, 'vocabText' | 'tokenizerJsonText' | 'doLowerCase'>;
  /** A model to start from: its weights only. Random weights unless told. */
  readonly initFrom?: ModelDirectory;
  readonly training: TrainingOptions;
  readonly outputDir: string;
  /** Checkpoints to keep, the newest; all unless told. */
  readonly saveTotalLimit?: number;
  /** A `checkpoint-N` directory of the same run to go on from. */
  readonly resumeFrom?: string;
  /** Examples to evaluate on at the end, and every `training.evalSteps` updates. */
  readonly heldOut?: PretrainingExamples;
  readonly evalBatchSize?: number;
  /** Evaluate on the first so many; on all unless told. */
  readonly maxEvalExamples?: number;
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Asks the run to stop after the update under way; see `TrainingHooks`. */
  readonly signal?: AbortSignal;
  /** Told which parameters the model that training starts from lacks: they begin at random. */
  readonly onNewParameters?: (names: readonly string[]) => void;
}

export interface PretrainingOutcome {
  readonly result: TrainingResult;
  /** Of the last update, where there is something to evaluate on. */
  readonly metrics: PretrainingMetrics | undefined;
}

/**
 * Trains, and writes the model, `trainer_state.json` and checkpoints into the output directory.
 *
 * @throws BertramError `bad-input` when the examples do not fit the model, or a checkpoint does not; `failed` when a loss
 * is not finite or a file cannot be written
 * @throws TrainingStopped when `signal` asked for it: there is then a checkpoint, and no model
 */
export async function pretrain(options: PretrainingOptions): Promise<PretrainingOutcome> {
  const { config, examples, heldOut, outputDir } = options;
  checkExamples(examples, config);
  if (heldOut !== undefined) checkHeldOut(heldOut, examples, config);
  const { threads, batchSize, ranks = singleProcess } = options.training;
  const evaluation =
    heldOut &&
    (await PretrainingEvaluation.create(config, heldOut, {
      batchSize: options.evalBatchSize ?? batchSize,
      ranks,
      ...(options.maxEvalExamples === undefined ? {} : { maxExamples: options.maxEvalExamples }),
      ...(threads === undefined ? {} : { threads }),
    }));
  try {
    await mkdir(outputDir, { recursive: true });
    const { state, progress, result } = await train(
      pretrainingObjective(config),
      pretrainingData(examples, config.padTokenId),
      options.training,
      {
        ...hooksOf(options),
        ...(evaluation && { evaluate: (state, signal) => evaluation.evaluate(state.valueViews(), signal) }),
      },
    );
    const best = options.training.best?.load ? progress.best?.step : undefined;
    const judged = loggedMetrics(progress, best ?? progress.step);
    // A run of no updates has no evaluation in its log.
    const metrics = evaluation && (judged ?? (await evaluation.evaluate(state.valueViews())));
    await onFirstRank(ranks, async () => {
      await saveBert(outputDir, textsOf(options), state.valueTensors());
      await writeTrainerState(outputDir, progress);
    });
    return { result, metrics };
  } finally {
    await evaluation?.release();
  }
}

function hooksOf(options: PretrainingOptions): TrainingHooks {
  const { outputDir, saveTotalLimit: limit = Infinity, onEvent, signal } = options;
  const checkpoints = new Checkpoints(outputDir, { limit });
  return {
    initialize: (state) => initialize(state, options),
    save: (state, progress) =>
      checkpoints.write(state, progress, bertFiles(textsOf(options), state.valueTensors())),
    load: async (state, step) => restoreBert(await checkpoints.find(step), state.valueViews()),
    ...(onEvent === undefined ? {} : { onEvent }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** What the log has of the evaluation after an update. */
function loggedMetrics({ logHistory }: TrainingProgress, step: number): PretrainingMetrics | undefined {
  const entry = logHistory.find((candidate) => candidate.step === step && 'eval_loss' in candidate);
  if (entry === undefined) return undefined;
  const metrics = Object.entries(entry).filter(([name]) => name.startsWith('eval_'));
  return Object.fromEntries(metrics) as unknown as PretrainingMetrics;
}

/** Random weights, those of the model to start from, or a checkpoint with its moments. */
async function initialize(
  state: TrainingState,
  { initFrom, resumeFrom, training, onNewParameters }: PretrainingOptions,
): Promise<TrainingProgress | undefined> {
  const into = (name: string): Float32Array => state.viewOf(state.values, name).data;
  if (resumeFrom !== undefined) {
    await loadBertParameters(await readModelDirectory(resumeFrom), state.parameters, { into });
    return readCheckpoint(resumeFrom, state);
  }
  const isHead = (name: string): boolean => HEADS.some((beginning) => name.startsWith(beginning));
  state.initialize(training.seed, (name) => initFrom === undefined || isHead(name));
  if (initFrom === undefined) return undefined;
  const { missing } = await loadBertParameters(initFrom, state.parameters, { into, mayMiss: HEADS });
  if (missing.length > 0) onNewParameters?.(missing);
  return undefined;
}

/** The decoder has no tensor of its own: it is the word embeddings, and transformers ties it so when it loads. */
const textsOf = ({ config, vocabulary }: PretrainingOptions): BertTexts => ({
  architecture: ARCHITECTURE,
  config,
  vocabulary,
});

function checkExamples(examples: PretrainingExamples, { maxPositionEmbeddings }: BertConfig): void {
  if (examples.size === 0) badInput('pretraining', 'examples', 'none');
  if (examples.maxSeqLength > maxPositionEmbeddings) {
    const expected = `examples of at most the model's ${maxPositionEmbeddings} positions (max_position_embeddings)`;
    badInput('pretraining', expected, `a max_seq_length of ${examples.maxSeqLength}`);
  }
}

function checkHeldOut(heldOut: PretrainingExamples, examples: PretrainingExamples, config: BertConfig): void {
  checkExamples(heldOut, config);
  if (heldOut.vocabularySha256 !== examples.vocabularySha256)
    badInput('evaluation data', 'the vocabulary of the training data', 'another vocabulary');
}
