/** The training of `bertram finetune`: windows, evaluation while they are learnt, the report, and what is left on the disk. */
import { join } from 'node:path';
import { bertConfigOf } from '../bert/index.ts';
import { readModelDirectory, type ModelDirectory } from '../checkpoint/index.ts';
import type { EvaluationInTraining, EvaluationOptions } from '../pipelines/index.ts';
import { fineTune, type FineTuningOptions } from '../squad/fine-tuning.ts';
import {
  negativeExamples,
  squadFeatures,
  type SquadExample,
  type SquadWindow,
  type WindowTokenizer,
} from '../squad/index.ts';
import { readSquadFile } from '../squad/squad-files.ts';
import { badInput } from '../support/errors.ts';
import { Random } from '../support/random.ts';
import type { TrainingResult } from '../training/index.ts';
import { finetuneTrainingOptions, type FinetuneFlags } from './finetune-options.ts';
import { given } from './model-options.ts';
import { startOf } from './output-directory.ts';
import type { Ranked } from './process-ranks.ts';
import { writeResults } from './results-file.ts';
import { recorded, weightFiles } from './run-recording.ts';
import type { TrainingReporter } from './training-reporter.ts';

export const TRAIN_RESULTS_FILE = 'train_results.json';

/** Trains into the output directory. */
export async function trainQuestionAnswering(
  flags: Ranked<FinetuneFlags>,
  reporter: TrainingReporter,
  signal: AbortSignal,
): Promise<TrainingResult> {
  const { loadTokenizer } = await import('../pipelines/index.ts');
  const { outputDir, maxSeqLength, ranks } = flags;
  const start = await startOf(outputDir, flags, (text) => reporter.warn(text), ranks);
  const resumeFrom = await start.checkpointIn(outputDir);
  const model = await readModelDirectory(flags.modelNameOrPath);
  const windows = await trainingWindows(flags, loadTokenizer(model), reporter);
  const training = { ...finetuneTrainingOptions(flags), ranks };
  const evaluation = training.evalSteps === 0 ? undefined : await evaluationOf(flags, model);
  const options: FineTuningOptions = {
    ...{ model, windows, outputDir, training, signal },
    ...given({
      padToLength: flags.padToMaxLength ? maxSeqLength : undefined,
      saveTotalLimit: flags.saveTotalLimit,
      dropout: flags.dropout,
      resumeFrom,
    }),
    ...(evaluation && { evaluate: (state, signal) => evaluation.evaluate(state.valueViews(), signal) }),
    onLoaded: ({ missing, unexpected }) => {
      if (missing.length > 0) reporter.note(`begin at random: ${missing.join(', ')}`);
      if (unexpected.length > 0) reporter.note(`of no use here: ${unexpected.join(', ')}`);
    },
  };
  const work = async (onEvent: NonNullable<FineTuningOptions['onEvent']>): Promise<TrainingResult> => {
    const result = await fineTune({ ...options, onEvent });
    if (ranks.rank === 0) await writeResults(join(outputDir, TRAIN_RESULTS_FILE), result);
    return result;
  };
  try {
    // Only rank 0 is told of events, and has a report.
    if (ranks.rank > 0) return await work(() => undefined);
    const files = await filesRead(flags);
    const recording = { outputDir, flags, files, resumes: start.resumes, threads: flags.threads, reporter };
    const result = await recorded({ ...recording, task: 'question answering' }, work);
    reporter.note(`model written to ${outputDir}`);
    return result;
  } finally {
    await evaluation?.release();
  }
}

/** How the model is judged, while it trains and after. */
export function evaluationOptions(flags: Ranked<FinetuneFlags>): EvaluationOptions {
  return {
    maxSeqLength: flags.maxSeqLength,
    docStride: flags.docStride,
    ...given({ batchSize: flags.perDeviceEvalBatchSize }),
    maxAnswerLength: flags.maxAnswerLength,
    nBestSize: flags.nBestSize,
    nullScoreDiffThreshold: flags.nullScoreDiffThreshold,
    withNoAnswer: flags.version2WithNegative ?? false,
    ranks: flags.ranks,
  };
}

async function evaluationOf(
  flags: Ranked<FinetuneFlags>,
  model: ModelDirectory,
): Promise<EvaluationInTraining> {
  const { EvaluationInTraining, loadTokenizer } = await import('../pipelines/index.ts');
  return new EvaluationInTraining({
    ...evaluationOptions(flags),
    ...{ name: model.path, config: bertConfigOf(model), tokenizer: loadTokenizer(model) },
    dataset: await readSquadFile(flags.validationFile!),
    ...given({ threads: flags.threads }),
  });
}

async function filesRead({ trainFile = [], validationFile, modelNameOrPath }: FinetuneFlags) {
  const named = (role: string) => (path: string) => [role, path] as const;
  return [
    ...trainFile.map(named('training data')),
    ...(validationFile === undefined ? [] : [validationFile]).map(named('validation data')),
    ...(await weightFiles(modelNameOrPath)).map(named('starting weights')),
  ];
}

/** The examples of all training files, with the negatives that were asked for, as labelled windows. */
async function trainingWindows(
  flags: FinetuneFlags,
  tokenizer: WindowTokenizer,
  reporter: TrainingReporter,
): Promise<readonly SquadWindow[]> {
  const examples: SquadExample[] = [];
  for (const file of flags.trainFile ?? []) {
    for (const example of (await readSquadFile(file)).examples) examples.push(example);
  }
  const unanswerable = examples.filter(({ isImpossible }) => isImpossible).length;
  if (unanswerable > 0 && !flags.version2WithNegative) {
    badInput(
      '--train_file',
      'questions with answers, or --version_2_with_negative',
      `${unanswerable} without an answer`,
    );
  }
  const random = new Random(flags.seed, 'negatives');
  const negatives = negativeExamples(examples, { fraction: flags.negativeFraction, random });
  const { maxSeqLength, docStride } = flags;
  const { windows, truncatedQuestions } = squadFeatures([...examples, ...negatives], tokenizer, {
    maxSeqLength,
    docStride,
  });
  if (truncatedQuestions.length > 0)
    reporter.warn(`${truncatedQuestions.length} questions were cut to fit max_seq_length`);
  reporter.note(
    `${examples.length} questions and ${negatives.length} generated ones without an answer: ${windows.length} windows`,
  );
  return windows;
}
