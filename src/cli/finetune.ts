/**
 * `bertram finetune`: the model card's own command, with the flags of transformers' `run_qa.py`.
 *
 * ```
 * bertram finetune --model_name_or_path DIR --train_file train-v1.1.json --validation_file dev-v1.1.json \
 *   --do_train --do_eval --learning_rate 3e-5 --num_train_epochs 2 --max_seq_length 384 --doc_stride 128 \
 *   --output_dir OUT --per_device_train_batch_size 3
 * ```
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { readModelDirectory, writeFileAtomic } from '../checkpoint/index.ts';
import type { EvaluationMetrics } from '../pipelines/index.ts';
import { fineTune } from '../squad/fine-tuning.ts';
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
import { writePredictions } from './evaluate.ts';
import {
  addFinetuneOptions,
  checkFinetuneFlags,
  finetuneTrainingOptions,
  type FinetuneFlags,
} from './finetune-options.ts';
import { given } from './model-options.ts';
import { startOf } from './output-directory.ts';
import { addShardingOption, withRanks, type Ranked } from './process-ranks.ts';
import { stoppable } from './stop-signal.ts';
import type { Output, Terminal } from './terminal.ts';
import { TrainingReporter } from './training-reporter.ts';

export function finetuneCommand(terminal: Terminal): Command {
  return addFinetuneOptions(addShardingOption(new Command('finetune'))).action(
    async (flags: FinetuneFlags) => {
      await withRanks(terminal, flags, (ranked, { out, err }) =>
        finetune(ranked, new TrainingReporter(err), out),
      );
    },
  );
}

async function finetune(
  flags: Ranked<FinetuneFlags>,
  reporter: TrainingReporter,
  out: Output,
): Promise<void> {
  checkFinetuneFlags(flags);
  if (flags.doTrain)
    await stoppable(
      (text) => reporter.note(text),
      (signal) => trainModel(flags, reporter, signal),
    );
  if (flags.doEval)
    await out.json(await evaluateModel(flags, flags.doTrain ? flags.outputDir : flags.modelNameOrPath));
}

async function trainModel(
  flags: Ranked<FinetuneFlags>,
  reporter: TrainingReporter,
  signal: AbortSignal,
): Promise<void> {
  const { loadTokenizer } = await import('../pipelines/index.ts');
  const { outputDir, maxSeqLength } = flags;
  const start = await startOf(outputDir, flags, (text) => reporter.warn(text), flags.ranks);
  const resumeFrom = await start.checkpointIn(outputDir);
  const model = await readModelDirectory(flags.modelNameOrPath);
  const windows = await trainingWindows(flags, loadTokenizer(model), reporter);
  const result = await fineTune({
    model,
    windows,
    outputDir,
    training: { ...finetuneTrainingOptions(flags), ranks: flags.ranks },
    signal,
    ...given({
      padToLength: flags.padToMaxLength ? maxSeqLength : undefined,
      saveTotalLimit: flags.saveTotalLimit,
      dropout: flags.dropout,
      resumeFrom,
    }),
    onEvent: (event) => reporter.report(event),
    onLoaded: ({ missing, unexpected }) => {
      if (missing.length > 0) reporter.note(`begin at random: ${missing.join(', ')}`);
      if (unexpected.length > 0) reporter.note(`of no use here: ${unexpected.join(', ')}`);
    },
  });
  if (flags.ranks.rank > 0) return;
  await writeResults(join(outputDir, 'train_results.json'), result);
  reporter.note(`model written to ${outputDir}`);
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

/** Scores the model on the validation file; results and predictions have the names that `run_qa.py` gives them. */
async function evaluateModel(
  flags: Ranked<FinetuneFlags>,
  modelDirectory: string,
): Promise<EvaluationMetrics> {
  const { evaluate, loadQuestionAnsweringModel } = await import('../pipelines/index.ts');
  const { outputDir, maxSeqLength, docStride, threads, ranks } = flags;
  const dataset = await readSquadFile(flags.validationFile!);
  const model = await loadQuestionAnsweringModel({
    model: modelDirectory,
    ...given({ threads }),
  });
  const evaluation = await evaluate(model, dataset, {
    maxSeqLength,
    docStride,
    ...given({ batchSize: flags.perDeviceEvalBatchSize }),
    maxAnswerLength: flags.maxAnswerLength,
    nBestSize: flags.nBestSize,
    nullScoreDiffThreshold: flags.nullScoreDiffThreshold,
    withNoAnswer: flags.version2WithNegative ?? false,
    ranks,
  });
  if (ranks.rank > 0) return evaluation.metrics;
  await mkdir(outputDir, { recursive: true });
  await writePredictions(outputDir, evaluation, 'eval_');
  await writeResults(join(outputDir, 'eval_results.json'), evaluation.metrics);
  return evaluation.metrics;
}

async function writeResults(path: string, results: object): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(results, null, 2)}\n`);
}
