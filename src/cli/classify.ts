/**
 * `bertram classify train` and `bertram classify predict`: classifiers of texts, on frozen features or fine-tuned.
 *
 * ```
 * bertram classify train --file reviews.csv --text-column text --label-column stars --output-dir OUT
 * bertram classify predict --model-dir OUT --text 'It broke on the second day.'
 * ```
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { writeFileAtomic } from '../checkpoint/index.ts';
import {
  labelIds,
  labelsOf,
  splitTexts,
  type ClassificationMetrics,
  type LabelledText,
} from '../classification/index.ts';
import { readLabelledFile, readTextFile } from '../classification/labelled-files.ts';
import { fineTuningAdamW } from '../optim/index.ts';
import {
  TextClassifier,
  trainFeatureClassifier,
  trainFineTunedClassifier,
  type FineTunedClassifierOptions,
} from '../pipelines/index.ts';
import { badInput } from '../support/errors.ts';
import type { TextOrPair } from '../tokenizers/index.ts';
import { CutTexts } from './cut-texts.ts';
import {
  addFloatModelOptions,
  given,
  threadsOption,
  trainingPrecisionOption,
  type FloatModelFlags,
} from './model-options.ts';
import { fraction, integer, nonNegative, positive, positiveWhole, whole } from './option-values.ts';
import { startOf, type RunStart } from './output-directory.ts';
import { ProgressLine } from './progress-line.ts';
import { recorded, weightFiles } from './run-recording.ts';
import { stoppable } from './stop-signal.ts';
import type { Output, Terminal } from './terminal.ts';
import { writeResults } from './results-file.ts';
import { TrainingReporter } from './training-reporter.ts';

interface TrainFlags extends FloatModelFlags {
  readonly file: string;
  readonly textColumn: string;
  readonly pairColumn?: string;
  readonly labelColumn: string;
  readonly outputDir: string;
  readonly overwriteOutputDir?: true;
  readonly mode: 'features' | 'finetune';
  readonly validationFile?: string;
  readonly validationSplit?: number;
  readonly maxSeqLength?: number;
  readonly layer: number;
  readonly pooling: 'mean' | 'cls';
  readonly inverseRegularization: number;
  readonly maxIterations: number;
  readonly tolerance: number;
  readonly learningRate: number;
  readonly numTrainEpochs: number;
  readonly maxSteps?: number;
  readonly batchSize: number;
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly loggingSteps: number;
  readonly saveSteps: number;
  readonly saveTotalLimit?: number;
  readonly resumeFromCheckpoint?: string | true;
  readonly precision: 'float32' | 'int8';
  readonly seed: number;
  readonly json?: true;
}

interface PredictFlags {
  readonly modelDir: string;
  readonly text?: readonly string[];
  readonly file?: string;
  readonly textColumn: string;
  readonly pairColumn?: string;
  readonly maxSeqLength?: number;
  readonly threads?: number;
  readonly json?: true;
}

export function classifyCommand(terminal: Terminal): Command {
  return new Command('classify')
    .addCommand(trainCommand(terminal))
    .addCommand(predictCommand(terminal))
    .action(() => badInput('command', 'train or predict', 'neither'));
}

function trainCommand(terminal: Terminal): Command {
  const command = new Command('train')
    .description('make a classifier from labelled texts')
    .requiredOption('--file <file>', 'labelled texts: .csv, .tsv or .jsonl, plain or .gz')
    .option('--text-column <name>', 'where the text is', 'text')
    .option('--pair-column <name>', 'where the second text of a pair is')
    .option('--label-column <name>', 'where the label is', 'label')
    .requiredOption('--output-dir <dir>', 'where the classifier and its results go')
    .option('--overwrite-output-dir', 'write into a directory that is not empty')
    .addOption(
      new Option('--mode <name>', 'logistic regression on frozen features, or training of the whole model')
        .choices(['features', 'finetune'])
        .default('features'),
    )
    .option('--validation-file <file>', 'labelled texts to judge the classifier by')
    .option('--validation-split <x>', 'instead, the share of the texts to keep for it', fraction)
    .option('--max-seq-length <n>', 'pieces of a text that are read (default: 128)', positiveWhole)
    .option('--layer <n>', 'features: the hidden state, -1 the last layer, 0 the embeddings', integer, -1)
    .addOption(
      new Option('--pooling <name>', 'features: the mean over the tokens, or the state of [CLS]')
        .choices(['mean', 'cls'])
        .default('mean'),
    )
    .option('--inverse-regularization <x>', "features: scikit-learn's C", positive, 1)
    .option('--max-iterations <n>', 'features: of L-BFGS', positiveWhole, 1000)
    .option('--tolerance <x>', 'features: end where no slope is steeper', positive, 1e-4)
    .option('--learning-rate <x>', 'finetune: the peak learning rate', positive, 5e-5)
    .option('--num-train-epochs <x>', 'finetune: passes over the data', positive, 3)
    .option('--max-steps <n>', 'finetune: end after so many updates', positiveWhole)
    .option('--batch-size <n>', 'finetune: texts in a batch', positiveWhole, 16)
    .option('--warmup-ratio <x>', 'finetune: the part of the updates in which the rate rises', fraction, 0.1)
    .option('--weight-decay <x>', 'finetune: of all but biases and LayerNorm', nonNegative, 0)
    .option('--logging-steps <n>', 'finetune: updates between entries of the log', whole, 50)
    .option('--save-steps <n>', 'finetune: updates between checkpoints; 0 writes none', whole, 500)
    .option('--save-total-limit <n>', 'finetune: checkpoints to keep, the newest', positiveWhole)
    .option(
      '--resume-from-checkpoint [dir]',
      'finetune: go on from a checkpoint; the newest unless told; auto: if there is one',
    )
    .addOption(trainingPrecisionOption())
    .option('--seed <n>', 'decides split, order, dropout masks and the first values of a head', whole, 42)
    .option('--json', 'print one JSON document');
  addFloatModelOptions(command);
  return command.action((flags: TrainFlags) => {
    refuseOptionsOfOtherMode(command, flags.mode);
    return trainClassifier(flags, terminal);
  });
}

/** The options, by the names of their flags, that only one mode has a use for. */
const OPTIONS_OF_MODES: Readonly<Record<TrainFlags['mode'], readonly (keyof TrainFlags)[]>> = {
  features: ['layer', 'pooling', 'inverseRegularization', 'maxIterations', 'tolerance'],
  finetune: [
    ...(['learningRate', 'numTrainEpochs', 'maxSteps', 'batchSize', 'warmupRatio', 'weightDecay'] as const),
    ...(['loggingSteps', 'saveSteps', 'saveTotalLimit', 'resumeFromCheckpoint', 'precision'] as const),
  ],
};

/** @throws BertramError `bad-input` for an option that the mode would pass over in silence */
function refuseOptionsOfOtherMode(command: Command, mode: TrainFlags['mode']): void {
  const other = mode === 'features' ? 'finetune' : 'features';
  const given = OPTIONS_OF_MODES[other].find((name) => command.getOptionValueSource(name) === 'cli');
  if (given === undefined) return;
  const { long } = command.options.find((option) => option.attributeName() === given)!;
  badInput(long!, `--mode ${other} beside it`, `--mode ${mode}`);
}

function predictCommand(terminal: Terminal): Command {
  return new Command('predict')
    .description('put texts into classes')
    .requiredOption(
      '--model-dir <dir>',
      'a classifier: of classify train, or a BertForSequenceClassification',
    )
    .option('--text <text...>', 'a text, or more of them')
    .option('--file <file>', 'texts: .csv, .tsv or .jsonl, plain or .gz')
    .option('--text-column <name>', 'where the text is', 'text')
    .option('--pair-column <name>', 'where the second text of a pair is')
    .option(
      '--max-seq-length <n>',
      'pieces of a text that are read; as in training unless told',
      positiveWhole,
    )
    .addOption(threadsOption())
    .option('--json', 'print JSON lines')
    .action((flags: PredictFlags) => predict(flags, terminal));
}

async function trainClassifier(flags: TrainFlags, terminal: Terminal): Promise<void> {
  const { outputDir, validationFile, validationSplit } = flags;
  if (validationFile !== undefined && validationSplit !== undefined)
    badInput('validation', '--validation-file or --validation-split', 'both');
  if (validationSplit === 1)
    badInput('--validation-split', 'less than 1, or nothing is left to train on', '1');
  const warn = (text: string): void => void terminal.err.write(`warning: ${text}\n`);
  const start = await startOf(outputDir, flags, warn);
  const examples = await readLabelledFile(flags.file, flags);
  const { training, validation } =
    validationFile === undefined
      ? splitTexts(examples, validationSplit ?? 0, flags.seed)
      : { training: examples, validation: await readLabelledFile(validationFile, flags) };
  // Now, and not when the training is done.
  labelIds(validation, labelsOf(training), validationFile ?? flags.file);
  await mkdir(outputDir, { recursive: true });
  const summary =
    flags.mode === 'features'
      ? await trainOnFeatures(flags, training, terminal)
      : await fineTune(flags, training, start, terminal);
  const results = { mode: flags.mode, train_examples: training.length, ...summary };
  await writeResults(join(outputDir, 'train_results.json'), results);
  const metrics = validation.length === 0 ? undefined : await evaluate(flags, validation, terminal.err);
  if (flags.json) await terminal.out.json({ ...results, ...(metrics && { validation: metrics }) });
  else if (metrics !== undefined) await printMetrics(metrics, terminal.out);
  terminal.err.write(`classifier written to ${outputDir}\n`);
}

async function trainOnFeatures(flags: TrainFlags, examples: readonly LabelledText[], { err }: Terminal) {
  const cut = new CutTexts();
  let done = 0;
  const { outputDir, layer, pooling, inverseRegularization, maxIterations, tolerance } = flags;
  const progress = new ProgressLine(err, 'texts');
  const { loss, iterations, isConverged } = await trainFeatureClassifier({
    examples,
    outputDir,
    features: { layer, pooling },
    inverseRegularization,
    maxIterations,
    tolerance,
    ...given({ model: flags.model, maxSeqLength: flags.maxSeqLength, threads: flags.threads }),
    onText: (text) => {
      cut.add(text);
      progress.update(++done, examples.length);
    },
  });
  progress.clear();
  warnOfCut(cut, flags.file, err);
  if (!isConverged)
    err.write(`warning: not converged after ${iterations} iterations; see --max-iterations\n`);
  return { loss, iterations };
}

async function fineTune(
  flags: TrainFlags,
  examples: readonly LabelledText[],
  start: RunStart,
  { err }: Terminal,
) {
  const { outputDir } = flags;
  const reporter = new TrainingReporter(err, 'texts');
  const cut = new CutTexts();
  const resumeFrom = await start.checkpointIn(outputDir);
  const options: FineTunedClassifierOptions = {
    examples,
    outputDir,
    onText: (text) => cut.add(text),
    ...given({ model: flags.model, maxSeqLength: flags.maxSeqLength }),
    ...given({ saveTotalLimit: flags.saveTotalLimit, resumeFrom }),
    training: {
      batchSize: flags.batchSize,
      gradientAccumulationSteps: 1,
      epochs: flags.numTrainEpochs,
      learningRate: flags.learningRate,
      schedule: 'linear',
      warmupSteps: 0,
      warmupRatio: flags.warmupRatio,
      optimizer: { ...fineTuningAdamW, weightDecay: flags.weightDecay },
      maxGradNorm: 1,
      seed: flags.seed,
      shuffle: true,
      groupByLength: true,
      linearPrecision: flags.precision,
      loggingSteps: flags.loggingSteps,
      saveSteps: flags.saveSteps,
      ...given({ maxSteps: flags.maxSteps, threads: flags.threads }),
    },
  };
  const weights = flags.model === undefined ? [] : await weightFiles(flags.model);
  const files = [['training data', flags.file], ...weights.map((path) => ['starting weights', path])] as [
    string,
    string,
  ][];
  const recording = { outputDir, flags, files, resumes: start.resumes, threads: flags.threads, reporter };
  const result = await stoppable(
    (text) => reporter.note(text),
    (signal) =>
      recorded({ ...recording, task: 'text classification' }, (onEvent) =>
        trainFineTunedClassifier({ ...options, signal, onEvent }),
      ),
  );
  warnOfCut(cut, flags.file, err);
  return result;
}

function warnOfCut(cut: CutTexts, where: string, err: Terminal['err']): void {
  const warning = cut.warning(where, 'text');
  if (warning !== undefined) err.write(`warning: ${warning}\n`);
}

/** Scores the classifier that was written, and leaves scores, confusion matrix and its picture beside it. */
async function evaluate(
  { outputDir, threads, validationFile }: TrainFlags,
  validation: readonly LabelledText[],
  err: Terminal['err'],
): Promise<ClassificationMetrics> {
  const cut = new CutTexts();
  const classifier = await TextClassifier.load({ model: outputDir, ...given({ threads }) });
  const metrics = await classifier.evaluate(validation, (text) => cut.add(text));
  await classifier.release();
  warnOfCut(cut, validationFile ?? 'validation', err);
  const labels = metrics.per_class.map(({ label }) => label);
  const { heatmap } = await import('../charts/index.ts');
  const picture = heatmap({
    title: `Confusion matrix: accuracy ${(100 * metrics.accuracy).toFixed(1)} % of ${metrics.examples} texts`,
    rowLabel: 'label',
    columnLabel: 'prediction',
    rows: labels,
    columns: labels,
    values: metrics.confusion_matrix,
  });
  await writeResults(join(outputDir, 'eval_results.json'), metrics);
  await writeResults(join(outputDir, 'confusion_matrix.json'), { labels, matrix: metrics.confusion_matrix });
  await writeFileAtomic(join(outputDir, 'confusion_matrix.svg'), picture);
  return metrics;
}

async function printMetrics(metrics: ClassificationMetrics, out: Output): Promise<void> {
  const width = metrics.per_class.reduce((most, { label }) => Math.max(most, label.length), 8);
  const row = (name: string, values: readonly number[]): string =>
    [name.padEnd(width), ...values.map((value) => value.toFixed(4).padStart(9))].join('');
  await out.line(row('accuracy', [metrics.accuracy]));
  await out.line(row('macro F1', [metrics.macro_f1]));
  const titles = ['precision', 'recall', 'F1', 'texts'].map((title) => title.padStart(10));
  await out.line(`\n${''.padEnd(width - 1)}${titles.join('').replace(/^ /, '')}`);
  for (const { label, precision, recall, f1, support } of metrics.per_class) {
    await out.line(`${row(label, [precision, recall, f1])}${String(support).padStart(10)}`);
  }
}

async function predict(flags: PredictFlags, { out, err }: Terminal): Promise<void> {
  const cut = new CutTexts();
  const { modelDir, text, file, maxSeqLength, threads } = flags;
  if ((text === undefined) === (file === undefined)) {
    badInput('texts', '--text or --file', text === undefined ? 'neither' : 'both');
  }
  const blank = text?.find((one) => one.trim() === '');
  if (blank !== undefined) badInput('--text', 'a text', JSON.stringify(blank));
  const texts: Iterable<TextOrPair> | AsyncIterable<TextOrPair> = text ?? readTextFile(file!, flags);
  const classifier = await TextClassifier.load({ model: modelDir, ...given({ maxSeqLength, threads }) });
  for await (const { label, score, scores } of cut.counted(classifier.classify(texts))) {
    if (flags.json) {
      const named = Object.fromEntries(classifier.labels.map((name, id) => [name, scores[id]]));
      await out.json({ label, score, scores: named });
    } else await out.line(`${score.toFixed(4)}  ${label}`);
  }
  await classifier.release();
  warnOfCut(cut, file ?? '--text', err);
}
