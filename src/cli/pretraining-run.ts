/** The work of `bertram pretrain`: the phases of a recipe, one after the other, each from the weights of the one before. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { BertConfig } from '../bert/index.ts';
import {
  readModelDirectory,
  readTextFile,
  writeFileAtomic,
  type ModelDirectory,
} from '../checkpoint/index.ts';
import { onFirstRank } from '../distributed/index.ts';
import {
  isPreset,
  openPhaseData,
  parseRecipe,
  phaseSettings,
  presetRecipe,
  pretrain,
  trainingOptionsOf,
  type PhaseData,
  type PhaseSettings,
  type PretrainingOutcome,
  type PretrainingRecipe,
  type RecipeNumbers,
  type RunOptions,
} from '../pretraining/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { TrainingEvent } from '../training/index.ts';
import { bestModelOptions } from './evaluation-options.ts';
import { given } from './model-options.ts';
import { startOf, type RunStart } from './output-directory.ts';
import { PRETRAINING_METRICS, type PretrainingFlags } from './pretraining-flags.ts';
import type { Ranked } from './process-ranks.ts';
import { recorded, weightFiles } from './run-recording.ts';
import { stoppable } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';
import { TrainingReporter } from './training-reporter.ts';

type RankedFlags = Ranked<PretrainingFlags>;

const RESULTS_FILE = 'train_results.json';
const MANIFEST_FILE = 'manifest.json';

/** A phase whose data has been opened and found to fit. */
interface Phase {
  readonly settings: PhaseSettings;
  readonly data: PhaseData;
  readonly config: BertConfig;
  /** Where its data lie. */
  readonly directory: string;
  readonly outputDir: string;
}

export async function runPretraining(flags: RankedFlags, { out, err }: Terminal): Promise<void> {
  const reporter = new TrainingReporter(err, 'examples');
  const start = await startOf(flags.outputDir!, flags, (text) => reporter.warn(text), flags.ranks);
  const initFrom = await initialModel(flags);
  const recipe = await recipeOf(flags, initFrom);
  const phases = await openPhases(flags, recipe, initFrom);
  try {
    const { result, metrics } = await stoppable(
      (text) => reporter.note(text),
      (signal) => runPhases(flags, phases, start, initFrom, reporter, signal),
    );
    if (flags.json) await out.json({ ...result, ...metrics });
    else
      for (const [name, value] of Object.entries({ ...result, ...metrics }))
        await out.line(`${name.padEnd(26)} ${typeof value === 'number' ? Number(value.toFixed(6)) : value}`);
  } finally {
    for (const { data } of phases) data.close();
  }
}

/** The model whose weights training starts from. */
export async function initialModel({
  initCheckpoint,
}: PretrainingFlags): Promise<ModelDirectory | undefined> {
  return initCheckpoint === undefined ? undefined : readModelDirectory(initCheckpoint);
}

/** The recipe that `--config` names; without one, that of the model that training starts from. */
export async function recipeOf(
  { config }: Pick<PretrainingFlags, 'config'>,
  initFrom?: ModelDirectory,
): Promise<PretrainingRecipe> {
  if (config === undefined) return parseRecipe(initFrom!.configText, join(initFrom!.path, 'config.json'));
  if (isPreset(config)) return presetRecipe(config);
  return parseRecipe(await readTextFile(config), config);
}

/** What the options say instead of the recipe. */
export function recipeNumbers(flags: PretrainingFlags): RecipeNumbers {
  const { trainBatchSize, gradientAccumulationSteps, learningRate, numTrainSteps } = flags;
  const { numWarmupSteps, weightDecay, maxGradNorm } = flags;
  return {
    ...{ trainBatchSize, gradientAccumulationSteps, learningRate, numTrainSteps },
    ...{ numWarmupSteps, weightDecay, maxGradNorm },
  };
}

/** All of them before the first one starts, so that the second cannot be refused after days of the first. */
async function openPhases(
  flags: PretrainingFlags,
  recipe: PretrainingRecipe,
  initFrom: ModelDirectory | undefined,
): Promise<Phase[]> {
  const settings = phaseSettings(recipe, recipeNumbers(flags));
  const phases: Phase[] = [];
  const opened: PhaseData[] = [];
  try {
    for (const [i, phase] of settings.entries()) {
      const directory = dataDirectory(flags, phase);
      const data = await openPhaseData({
        data: directory,
        ...given({ initFrom, uncased: flags.uncased }),
        ...given({ heldOut: flags.doEval && (flags.evalData ?? (true as const)) }),
      });
      opened.push(data);
      requireOneVocabulary(i + 1, data, opened[0]!);
      const isLast = i === settings.length - 1;
      const outputDir = isLast ? flags.outputDir! : join(flags.outputDir!, `phase-${i + 1}`);
      const config = configOf(flags, recipe, data, directory);
      phases.push({ settings: phase, data, config, directory, outputDir });
    }
    return phases;
  } catch (error) {
    for (const data of opened) data.close();
    throw error;
  }
}

/** A recipe's data lie below `--data`, or beside the recipe. */
function dataDirectory({ data, config }: PretrainingFlags, phase: PhaseSettings): string {
  if (phase.data !== undefined) return resolve(data ?? dirname(config!), phase.data);
  if (data === undefined) throw new BertramError('bad-input', 'expected --data <dir>, got none');
  return data;
}

/** The recipe's model, which must have a row for every entry of the vocabulary and none to spare. */
function configOf(
  { dropout }: PretrainingFlags,
  recipe: PretrainingRecipe,
  { examples, vocabulary }: PhaseData,
  directory: string,
): BertConfig {
  const config = recipe.model(vocabulary.size);
  const vocabSize = recipe.vocabSize ?? config.vocabSize;
  if (vocabSize !== vocabulary.size) {
    const expected = `the ${vocabulary.size} entries of the vocabulary of ${directory}`;
    badInput(`${recipe.name}: vocab_size`, expected, `${vocabSize}`);
  }
  if (examples.maxSeqLength > config.maxPositionEmbeddings) {
    const expected = `at most the ${config.maxPositionEmbeddings} positions of the model (max_position_embeddings)`;
    badInput(`${directory}: max_seq_length`, expected, `${examples.maxSeqLength}`);
  }
  return dropout === undefined
    ? config
    : { ...config, hiddenDropoutProb: dropout, attentionProbsDropoutProb: dropout };
}

function requireOneVocabulary(phase: number, data: PhaseData, first: PhaseData): void {
  if (data.vocabulary.sha256 !== first.vocabulary.sha256)
    badInput(`phase ${phase}`, 'the vocabulary of phase 1', 'another');
}

/**
 * The phase that a run begins with: those before it are done, those after it begin at its weights. A checkpoint that was
 * asked for is of the phase in whose directory it lies.
 */
async function currentPhase(
  phases: readonly Phase[],
  { resumes, checkpoint }: Pick<RunStart, 'resumes' | 'checkpoint'>,
): Promise<number> {
  if (!resumes || phases.length === 1) return 0;
  if (checkpoint !== undefined) {
    const phase = phases.findIndex(({ outputDir }) => resolve(outputDir) === resolve(checkpoint, '..'));
    if (phase >= 0) return phase;
    const directories = phases.map(({ outputDir }) => outputDir).join(' or ');
    badInput('--resume_from_checkpoint', `a checkpoint of a phase, in ${directories}`, checkpoint);
  }
  let phase = 0;
  while (phase < phases.length - 1 && (await isDone(phases[phase]!))) phase++;
  return phase;
}

async function runPhases(
  flags: RankedFlags,
  phases: readonly Phase[],
  start: RunStart,
  initFrom: ModelDirectory | undefined,
  reporter: TrainingReporter,
  signal: AbortSignal,
): Promise<PretrainingOutcome> {
  const current = await onFirstRank(flags.ranks, () => currentPhase(phases, start));
  let stepsLeft = flags.maxSteps ?? Infinity;
  let outcome: PretrainingOutcome | undefined;
  for (const [i, phase] of phases.entries()) {
    const { settings, outputDir } = phase;
    const name = phases.length === 1 ? '' : `phase ${i + 1} of ${phases.length}: `;
    if (i < current) {
      reporter.note(`${name}is done`);
    } else {
      reporter.note(`${name}${settings.numTrainSteps} updates of ${settings.trainBatchSize} examples`);
      const resumeFrom = i === current ? await start.checkpointIn(outputDir) : undefined;
      const follows = i > 0 && resumeFrom === undefined;
      const from = follows ? await readModelDirectory(phases[i - 1]!.outputDir) : initFrom;
      outcome = await runPhase(flags, phase, resumeFrom, from, stepsLeft, reporter, signal);
      if (!isComplete(outcome.result, settings)) break;
    }
    stepsLeft -= settings.numTrainSteps;
    if (stepsLeft <= 0) break;
  }
  return outcome ?? badInput('--max_steps', 'more updates than have been made', `${flags.maxSteps!}`);
}

async function runPhase(
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
    const write = (file: string, results: object): Promise<void> =>
      writeFileAtomic(join(outputDir, file), `${JSON.stringify(results, null, 2)}\n`);
    if (outcome.metrics !== undefined) await write('eval_results.json', outcome.metrics);
    await write(RESULTS_FILE, outcome.result);
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
  };
}

/** Whether a phase has been trained to its end. */
async function isDone({ outputDir, settings }: Phase): Promise<boolean> {
  const text = await readFile(join(outputDir, RESULTS_FILE), 'utf8').catch(() => '{}');
  return isComplete(JSON.parse(text) as Partial<PretrainingOutcome['result']>, settings);
}

/** Whether it made all of its updates, or need make no more. */
function isComplete(
  { step, stopped_early = false }: Partial<PretrainingOutcome['result']>,
  { numTrainSteps }: PhaseSettings,
): boolean {
  return step === numTrainSteps || stopped_early;
}
