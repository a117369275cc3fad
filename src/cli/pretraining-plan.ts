/** `bertram pretrain --plan`: what a recipe costs, and how long it would take here, before anyone starts it. */
import {
  FLOPS_FORMULA,
  hoursOf,
  phaseSettings,
  planOf,
  trySpeed,
  type PretrainingPlan,
  type SpeedTrial,
} from '../pretraining/index.ts';
import { given } from './model-options.ts';
import { initialModel, recipeNumbers, recipeOf } from './pretraining-run.ts';
import type { PretrainingFlags } from './pretraining-flags.ts';
import type { Terminal } from './terminal.ts';

/** Of BERT's cased vocabulary, where neither the recipe nor shards say. */
const CASED_VOCABULARY = 28_996;

export async function planPretraining(flags: PretrainingFlags, { out, err }: Terminal): Promise<void> {
  const recipe = await recipeOf(flags, await initialModel(flags));
  const settings = phaseSettings(recipe, recipeNumbers(flags));
  const config = recipe.model(recipe.vocabSize ?? CASED_VOCABULARY);
  const plan = planOf(recipe.name, config, settings, flags.saveTotalLimit);
  err.write('timing a few updates of the model on this machine\n');
  const [first] = settings;
  const trial = await trySpeed(config, {
    maxSeqLength: first!.maxSeqLength,
    maxPredictionsPerSeq: first!.maxPredictionsPerSeq,
    batchSize: first!.trainBatchSize / first!.gradientAccumulationSteps,
    linearPrecision: flags.precision,
    ...given({ threads: flags.threads }),
  });
  const hours = hoursOf(plan, trial);
  if (flags.json) await out.json({ ...plan, flopsFormula: FLOPS_FORMULA, speed: trial, hours });
  else for (const line of planLines(plan, trial, hours, config.numHiddenLayers)) await out.line(line);
}

function planLines(plan: PretrainingPlan, trial: SpeedTrial, hours: number, layers: number): string[] {
  const { memory, disk } = plan;
  const row = (name: string, text: string): string => `${name.padEnd(14)} ${text}`;
  const ofLayers = trial.layers === layers ? 'the whole model' : `${trial.layers} of its ${layers} layers`;
  return [
    row('recipe', `${plan.name}, ${grouped(plan.parameters)} parameters`),
    ...plan.phases.map((phase, i) =>
      row(
        `phase ${i + 1}`,
        `${grouped(phase.steps)} updates of ${phase.trainBatchSize} x ${phase.maxSeqLength} pieces` +
          (phase.gradientAccumulationSteps > 1 ? ` in ${phase.gradientAccumulationSteps} parts` : '') +
          `, ${grouped(phase.tokens)} tokens, ${phase.flops.toExponential(2)} FLOPs`,
      ),
    ),
    row(
      'in all',
      `${grouped(plan.steps)} updates, ${grouped(plan.tokens)} tokens, ${plan.flops.toExponential(2)} FLOPs`,
    ),
    row('FLOPs', FLOPS_FORMULA),
    row(
      'memory',
      `${bytes(memory.totalBytes)}: parameters ${bytes(memory.parameterBytes)}, gradients ${bytes(memory.gradientBytes)}, ` +
        `moments ${bytes(memory.momentBytes)}, activations about ${bytes(memory.activationBytes)}`,
    ),
    row(
      'disk',
      `${bytes(disk.totalBytes)}: ${disk.keptCheckpoints} checkpoints of ${bytes(disk.checkpointBytes)}, ` +
        `a model of ${bytes(disk.modelBytes)} a phase, shards of ${bytes(disk.shardBytes)} if no example is seen twice`,
    ),
    row(
      'speed here',
      `${(trial.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s in ${trial.updates} updates of ${ofLayers}, ` +
        `${trial.batchSize} x ${trial.maxSeqLength} pieces; ${grouped(Math.round(trial.parametersPerSecond))} parameters updated a second`,
    ),
    row('time here', duration(hours)),
  ];
}

const grouped = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 });

/** `1.3 GB` */
function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toPrecision(3)} ${units[power]!}`;
}

/** `3.2 hours`, `12 days` or `4.1 years` */
function duration(hours: number): string {
  if (hours < 48) return `${hours.toPrecision(2)} hours`;
  const days = hours / 24;
  return days < 730 ? `${days.toFixed(0)} days` : `${(days / 365.25).toFixed(1)} years`;
}
