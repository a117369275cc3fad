/** The flags of `bertram finetune`, with the names and defaults of transformers' `run_qa.py`, and what they ask of training. */
import { Option, type Command } from 'commander';
import { fineTuningAdamW, scheduleNames, type ScheduleName } from '../optim/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { Recompute, TrainingOptions } from '../training/index.ts';
import {
  addEvaluationOptions,
  evaluationPlan,
  type EvaluationFlags,
  type MetricNames,
} from './evaluation-options.ts';
import { given, gradientCheckpointingOption, trainingPrecisionOption } from './model-options.ts';
import { fraction, nonNegative, number, positive, positiveWhole, whole, wholeList } from './option-values.ts';

export interface FinetuneFlags extends EvaluationFlags {
  readonly modelNameOrPath: string;
  readonly datasetName?: string;
  readonly trainFile?: readonly string[];
  readonly validationFile?: string;
  readonly doTrain?: true;
  readonly doEval?: true;
  readonly outputDir: string;
  readonly overwriteOutputDir?: true;
  readonly resumeFromCheckpoint?: string | true;
  readonly maxSeqLength: number;
  readonly docStride: number;
  readonly padToMaxLength?: true;
  readonly version2WithNegative?: true;
  readonly nBestSize: number;
  readonly maxAnswerLength: number;
  readonly nullScoreDiffThreshold: number;
  readonly negativeFraction: number;
  readonly precision: 'float32' | 'int8';
  readonly gradientCheckpointing?: Recompute;
  readonly learningRate: number;
  readonly numTrainEpochs: number;
  readonly maxSteps?: number;
  readonly perDeviceTrainBatchSize: number;
  readonly perDeviceEvalBatchSize?: number;
  readonly gradientAccumulationSteps: number;
  readonly lrSchedulerType: ScheduleName;
  readonly warmupSteps: number;
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly adamEpsilon: number;
  readonly maxGradNorm: number;
  readonly dropout?: number;
  readonly seed: number;
  readonly seeds?: readonly number[];
  readonly shuffle: boolean;
  readonly groupByLength?: true;
  readonly saveTotalLimit?: number;
  readonly threads?: number;
  readonly shardOptimizer?: true;
}

export function addFinetuneOptions(command: Command): Command {
  return addEvaluationOptions(command)
    .requiredOption('--model-name-or-path <dir>', 'what training starts from')
    .option('--dataset-name <name>', 'a data set of the Hub; not supported yet: give files')
    .option('--train-file <file...>', 'data to train on: SQuAD JSON or JSON lines, plain or gzipped')
    .option('--validation-file <file>', 'data to evaluate on')
    .option('--do-train', 'train')
    .option('--do-eval', 'evaluate at the end')
    .requiredOption('--output-dir <dir>', 'where the model, its checkpoints and results go')
    .option('--overwrite-output-dir', 'train into a directory that is not empty')
    .option(
      '--resume-from-checkpoint [dir]',
      'go on from a checkpoint; the newest of the output directory unless told; auto: if there is one',
    )
    .option('--max-seq-length <n>', 'pieces in a window, special tokens included', positiveWhole, 384)
    .option('--doc-stride <n>', 'pieces that neighbouring windows share', whole, 128)
    .option('--pad-to-max-length', 'pad every batch to max_seq_length instead of its longest window')
    .option('--version-2-with-negative', 'the data has questions without an answer')
    .option('--n-best-size <n>', 'starts and ends of each window that are paired', positiveWhole, 20)
    .option('--max-answer-length <n>', 'pieces in an answer, at the most', positiveWhole, 30)
    .option(
      '--null-score-diff-threshold <x>',
      'no answer is given when it leads by more than this',
      number,
      0,
    )
    .option(
      '--negative-fraction <x>',
      'questions without an answer to generate, as a share of those with one',
      fraction,
      0,
    )
    .option('--learning-rate <x>', 'the peak learning rate', positive, 5e-5)
    .option('--num-train-epochs <x>', 'passes over the data', positive, 3)
    .option('--max-steps <n>', 'end after so many updates, whatever the epochs say', positiveWhole)
    .option('--per-device-train-batch-size <n>', 'windows in a training batch', positiveWhole, 8)
    .option('--per-device-eval-batch-size <n>', 'windows in an evaluation batch at most', positiveWhole)
    .option('--gradient-accumulation-steps <n>', 'batches that make one update', positiveWhole, 1)
    .addOption(
      new Option('--lr-scheduler-type <name>', 'how the learning rate goes')
        .choices(scheduleNames)
        .default('linear'),
    )
    .option('--warmup-steps <n>', 'updates over which the learning rate rises', whole, 0)
    .option('--warmup-ratio <x>', 'the same, as a part of all updates', fraction, 0)
    .option('--weight-decay <x>', 'of all but biases and LayerNorm', nonNegative, 0)
    .option('--adam-epsilon <x>', 'epsilon of AdamW', positive, 1e-8)
    .option('--max-grad-norm <x>', 'clip gradients to this global norm; 0 does not clip', nonNegative, 1)
    .addOption(trainingPrecisionOption())
    .addOption(gradientCheckpointingOption())
    .option('--dropout <x>', "instead of the configuration's two dropout rates", fraction)
    .option('--seed <n>', 'decides order, dropout masks and the first values of a new head', whole, 42)
    .option('--seeds <list>', 'one run for each of these seeds, such as 1,2,3, and their mean', wholeList)
    .option('--no-shuffle', 'train in the order of the data')
    .option('--group-by-length', 'make batches of windows of like length')
    .option('--logging-steps <n>', 'updates between entries of the log', whole, 500)
    .option('--save-steps <n>', 'updates between checkpoints; 0 writes none', whole, 500)
    .option('--save-total-limit <n>', 'checkpoints to keep, the newest', positiveWhole)
    .option('--threads <n>', 'threads of the engine; one a core unless told', positiveWhole);
}

/** Refuses what cannot work before any work starts. */
export function checkFinetuneFlags(flags: FinetuneFlags): void {
  const { doTrain, doEval, datasetName, trainFile, validationFile } = flags;
  if (!doTrain && !doEval)
    throw new BertramError('bad-input', 'expected --do_train or --do_eval, got neither');
  const isMissing = (doTrain && trainFile === undefined) || (doEval && validationFile === undefined);
  if (datasetName !== undefined && isMissing) {
    const instead = 'data sets cannot be downloaded yet; give --train_file and --validation_file';
    throw new BertramError('unsupported', `--dataset_name ${datasetName}: ${instead}`);
  }
  if (doTrain && trainFile === undefined) badInput('--do_train', 'a --train_file', 'none');
  if (doEval && validationFile === undefined) badInput('--do_eval', 'a --validation_file', 'none');
  const { evalSteps } = evaluationPlan(flags, metricNames(flags));
  if (evalSteps !== 0 && !doTrain) badInput('--eval_strategy', '--do_train', 'none');
  if (evalSteps !== 0 && validationFile === undefined)
    badInput('--eval_strategy', 'a --validation_file', 'none');
  const { seeds, resumeFromCheckpoint: from } = flags;
  if (seeds !== undefined && !doTrain) badInput('--seeds', '--do_train', 'none');
  if (seeds !== undefined && typeof from === 'string' && from !== 'auto')
    badInput('--resume_from_checkpoint', 'auto with --seeds', from);
}

/** Of an evaluation, the one that decides by default first. */
export function metricNames({ version2WithNegative }: FinetuneFlags): MetricNames {
  const ofKinds = ['HasAns_exact', 'HasAns_f1', 'NoAns_exact', 'NoAns_f1', 'best_exact', 'best_f1'];
  return ['f1', 'exact_match', ...(version2WithNegative ? ofKinds : [])];
}

export function finetuneTrainingOptions(flags: FinetuneFlags): TrainingOptions {
  return {
    batchSize: flags.perDeviceTrainBatchSize,
    gradientAccumulationSteps: flags.gradientAccumulationSteps,
    epochs: flags.numTrainEpochs,
    learningRate: flags.learningRate,
    schedule: flags.lrSchedulerType,
    warmupSteps: flags.warmupSteps,
    warmupRatio: flags.warmupRatio,
    optimizer: { ...fineTuningAdamW, weightDecay: flags.weightDecay, epsilon: flags.adamEpsilon },
    maxGradNorm: flags.maxGradNorm,
    seed: flags.seed,
    shuffle: flags.shuffle,
    groupByLength: flags.groupByLength ?? false,
    linearPrecision: flags.precision,
    loggingSteps: flags.loggingSteps,
    ...evaluationPlan(flags, metricNames(flags)),
    ...given({ maxSteps: flags.maxSteps, threads: flags.threads, shardOptimizer: flags.shardOptimizer }),
    ...given({ recompute: flags.gradientCheckpointing }),
  };
}
