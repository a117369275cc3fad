/** One phase of `bertram pretrain`: its training, its report, and whether it is done. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BertConfig } from '../bert/index.ts';
import type { ModelDirectory } from '../checkpoint/index.ts';
import {
  pretrain,
  trainingOptionsOf,
  type PhaseData,
  type PhaseSettings,
  type PretrainingOutcome,
  type RunOptions,
} from '../pretraining/index.ts';
import type { TrainingEvent } from '../training/index.ts';
import { bestModelOptions } from './evaluation-options.ts';
import { given } from './model-options.ts';
import { PRETRAINING_METRICS, type PretrainingFlags } from './pretraining-flags.ts';
import type { Ranked } from './process-ranks.ts';
import { writeResults } from './results-file.ts';
import { recorded, weightFiles } from './run-recording.ts';
import type { TrainingReporter } from './training-reporter.ts';

type RankedFlags = Ranked<PretrainingFlags>;

const RESULTS_FILE = 'train_results.json';
const MANIFEST_FILE = 'manifest.json';

/** A phase whose data has been opened and found to fit. */
export interface Phase {
  readonly settings: PhaseSettings;
  readonly data: PhaseData;
  readonly config: BertConfig;
  /** Where its data lie. */
  readonly directory: string;
  readonly outputDir: string;
}

export async function runPhase(
  flags: RankedFlags,
  { settings, data, config, directory, outputDir }: Phase,
  resumeFrom: string | undefined,
  initFrom: ModelDirectory | undefined,
  maxSteps: number,
  reporter: TrainingReporter,
  signal: AbortSignal,
): Promise<PretrainingOutcome> {
  const { examples, heldOut, vocabulary } = data;
  const work = (onEvent: (event: TrainingEvent) => void): Promise<PretrainingOutcome> =>
    pretrain({
      config,
      examples,
      vocabulary,
      outputDir,
      training: trainingOptionsOf(settings, runOptions(flags), maxSteps),
      saveTotalLimit: flags.saveTotalLimit,
      signal,
      ...given({ initFrom, resumeFrom, heldOut }),
      ...given({ evalBatchSize: flags.evalBatchSize, maxEvalExamples: flags.maxEvalExamples }),
      onEvent,
      onNewParameters: (names) =>
        reporter.warn(`${names.length} parameters begin at random: ${names[0]!}, …`),
    });
  // Only rank 0 is told of events, and writes.
  if (flags.ranks.rank > 0) return work(() => undefined);
  const files = await filesRead(directory, initFrom);
  const recording = {
    outputDir,
    flags,
    files,
    resumes: resumeFrom !== undefined,
    threads: flags.threads,
    reporter,
  };
  return recorded({ ...recording, task: 'pretraining' }, async (onEvent) => {
    const outcome = await work(onEvent);
    if (outcome.metrics !== undefined)
      await writeResults(join(outputDir, 'eval_results.json'), outcome.metrics);
    await writeResults(join(outputDir, RESULTS_FILE), outcome.result);
    reporter.note(`model written to ${outputDir}`);
    return outcome;
  });
}

/** The manifest of shards has the checksums of all of them; TFRecord files have none. */
async function filesRead(directory: string, initFrom: ModelDirectory | undefined) {
  const manifest = join(directory, MANIFEST_FILE);
  const isThere = await stat(manifest).then(
    () => true,
    () => false,
  );
  const weights = initFrom === undefined ? [] : await weightFiles(initFrom.path);
  return [
    ...(isThere ? [['manifest of the shards', manifest] as const] : []),
    ...weights.map((path) => ['starting weights', path] as const),
  ];
}

function runOptions(flags: RankedFlags): RunOptions {
  return {
    seed: flags.seed,
    shuffle: true,
    groupByLength: flags.groupByLength ?? false,
    loggingSteps: flags.loggingSteps,
    saveSteps: flags.saveCheckpointsSteps,
    linearPrecision: flags.precision,
    ranks: flags.ranks,
    ...given({ best: bestModelOptions(flags, flags.evalSteps !== undefined, PRETRAINING_METRICS) }),
    ...given({ evalSteps: flags.evalSteps, threads: flags.threads, shardOptimizer: flags.shardOptimizer }),
    ...given({ recompute: flags.gradientCheckpointing }),
  };
}

/** Whether a phase has been trained to its end. */
export async function isDone({ outputDir, settings }: Phase): Promise<boolean> {
  const text = await readFile(join(outputDir, RESULTS_FILE), 'utf8').catch(() => '{}');
  return isComplete(JSON.parse(text) as Partial<PretrainingOutcome['result']>, settings);
}

/** Whether it made all of its updates, or need make no more. */
export function isComplete(
  { step, stopped_early = false }: Partial<PretrainingOutcome['result']>,
  { numTrainSteps }: PhaseSettings,
): boolean {
  return step === numTrainSteps || stopped_early;
}
