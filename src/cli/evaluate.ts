/** `bertram evaluate`: a model's EM and F1 on a data set, with the prediction files of the reference programs. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { fileError } from '../checkpoint/file-error.ts';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { evaluate, loadQuestionAnsweringModel, type Evaluation } from '../pipelines/index.ts';
import { formatPredictionFiles, type SquadDataset } from '../squad/index.ts';
import { readSquadFile } from '../squad/squad-files.ts';
import { BertramError } from '../support/errors.ts';
import {
  addModelOptions,
  addWindowOptions,
  given,
  modelLoadOptions,
  type ModelFlags,
  type WindowFlags,
} from './model-options.ts';
import { number, positiveWhole } from './option-values.ts';
import { addRankOptions, withRanks, type Ranked } from './process-ranks.ts';
import { ProgressLine } from './progress-line.ts';
import type { Terminal } from './terminal.ts';

interface EvaluateFlags extends ModelFlags, WindowFlags {
  readonly dataset: string;
  readonly outputDir?: string;
  readonly batchSize?: number;
  readonly nBestSize: number;
  readonly maxAnswerLength: number;
  readonly version2WithNegative?: true;
  readonly nullScoreDiffThreshold: number;
  readonly json?: true;
}

export function evaluateCommand(terminal: Terminal): Command {
  const command = new Command('evaluate')
    .requiredOption('--dataset <file>', 'SQuAD JSON or JSON lines, plain or gzipped')
    .option('--output-dir <dir>', 'where predictions.json and its companions go')
    .option('--batch-size <n>', 'windows in a batch at most', positiveWhole)
    .option('--n-best-size <n>', 'answers to keep for each question', positiveWhole, 20)
    .option('--max-answer-length <n>', 'pieces in an answer at most', positiveWhole, 30)
    .option('--version-2-with-negative', 'questions may have no answer; found out from the data unless told')
    .option('--null-score-diff-threshold <x>', 'no answer if its score is higher by more', number, 0)
    .option('--json', 'print one JSON document');
  addWindowOptions(command);
  addModelOptions(command);
  addRankOptions(command);
  return command.action((flags: EvaluateFlags) => withRanks(terminal, flags, evaluateFile));
}

async function evaluateFile(flags: Ranked<EvaluateFlags>, { out, err }: Terminal): Promise<void> {
  const dataset = await readDataset(flags.dataset);
  const { outputDir, ranks } = flags;
  if (outputDir !== undefined) await makeDirectory(outputDir);
  const model = await loadQuestionAnsweringModel(modelLoadOptions(flags));
  const progress = new ProgressLine(err, 'windows');
  const { maxSeqLength, docStride, maxQueryLength, batchSize, nBestSize, maxAnswerLength } = flags;
  const { nullScoreDiffThreshold, version2WithNegative: withNoAnswer } = flags;
  const evaluation = await evaluate(model, dataset, {
    nBestSize,
    maxAnswerLength,
    nullScoreDiffThreshold,
    ranks,
    ...given({ maxSeqLength, docStride, maxQueryLength, batchSize, withNoAnswer }),
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.clear();
  const { metrics } = evaluation;
  if (metrics.truncated_questions > 0) {
    err.write(`warning: ${metrics.truncated_questions} questions were cut to make room for their context\n`);
  }
  if (outputDir !== undefined && ranks.rank === 0) await writePredictions(outputDir, evaluation);
  if (flags.json) await out.json(metrics);
  else
    for (const [name, value] of Object.entries(metrics))
      await out.line(`${name.padEnd(20)} ${shownNumber(value)}`);
}

async function readDataset(path: string): Promise<SquadDataset> {
  const isName = path === 'squad' || path === 'squad_v2';
  if (isName && (await stat(path).catch(() => undefined)) === undefined) {
    throw new BertramError(
      'unsupported',
      `--dataset ${path}: expected a file, got the name of a data set; downloading is not supported yet`,
    );
  }
  return readSquadFile(path);
}

/** Before any work starts, so that hours of it cannot end on a directory that cannot be made. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(path, 'cannot be made', error);
  }
}

/** `predictions.json`, `nbest_predictions.json` and, where "no answer" was possible, `null_odds.json`. */
export async function writePredictions(
  directory: string,
  { predictions }: Evaluation,
  prefix = '',
): Promise<void> {
  const files = formatPredictionFiles(predictions);
  await writeFileAtomic(join(directory, `${prefix}predictions.json`), files.predictions);
  await writeFileAtomic(join(directory, `${prefix}nbest_predictions.json`), files.nBestPredictions);
  if (files.nullOdds === undefined) return;
  await writeFileAtomic(join(directory, `${prefix}null_odds.json`), files.nullOdds);
}

function shownNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
