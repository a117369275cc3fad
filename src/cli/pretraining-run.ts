/** The work of `bertram pretrain`: the phases of a recipe, one after the other, each from the weights of the one before. */
import { dirname, join, resolve } from 'node:path';
import type { BertConfig } from '../bert/index.ts';
import { readModelDirectory, readTextFile, type ModelDirectory } from '../checkpoint/index.ts';
import { onFirstRank } from '../distributed/index.ts';
import {
  isPreset,
  openPhaseData,
  parseRecipe,
  phaseSettings,
  presetRecipe,
  type PhaseData,
  type PhaseSettings,
  type PretrainingOutcome,
  type PretrainingRecipe,
  type RecipeNumbers,
} from '../pretraining/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import { given } from './model-options.ts';
import { startOf, type RunStart } from './output-directory.ts';
import type { PretrainingFlags } from './pretraining-flags.ts';
import { isComplete, isDone, runPhase, type Phase } from './pretraining-phase.ts';
import type { Ranked } from './process-ranks.ts';
import { stoppable } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';
import { TrainingReporter } from './training-reporter.ts';

type RankedFlags = Ranked<PretrainingFlags>;

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
