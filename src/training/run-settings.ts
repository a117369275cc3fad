/**
 * What the numbers of a run depend on, besides its model: a run that is resumed with other settings is another run.
 * Some of them decide what has been read and drawn so far, and must not change. Others may be changed on purpose, such
 * as the learning rate; the run then says that it will not end as it would have.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { badInput, shown } from '../support/errors.ts';
import type { Objective } from './gradient-graph.ts';
import type { TrainingData } from './training-data.ts';
import type { TrainingOptions } from './training-options.ts';

/** By name, in snake_case as in files. */
export type RunSettings = Readonly<Record<string, string | number | boolean>>;

/** Those that say which examples a batch has and what is drawn for it: a place in the data means nothing without them. */
const FIXED: ReadonlySet<string> = new Set([
  'seed',
  'batch_size',
  'gradient_accumulation_steps',
  'shuffle',
  'group_by_length',
  'examples',
  'data_sha256',
]);

/** @param totalSteps updates of the whole run, which the schedule is made for unless it has a length of its own */
export function runSettings(
  { dropout }: Pick<Objective, 'dropout'>,
  data: TrainingData,
  options: TrainingOptions,
  totalSteps: number,
): RunSettings {
  const { optimizer } = options;
  return {
    seed: options.seed,
    batch_size: options.batchSize,
    gradient_accumulation_steps: options.gradientAccumulationSteps,
    shuffle: options.shuffle,
    group_by_length: options.groupByLength,
    examples: data.lengths.length,
    data_sha256: dataSha256(data),
    learning_rate: options.learningRate,
    schedule: options.schedule,
    schedule_steps: options.scheduleSteps ?? totalSteps,
    warmup_steps: options.warmupSteps,
    warmup_ratio: options.warmupRatio,
    optimizer: JSON.stringify(optimizer),
    max_grad_norm: options.maxGradNorm,
    dropout: [...new Set(dropout.sites.map(({ rate }) => rate))].sort().join(', ') || 'none',
    precision: options.linearPrecision ?? 'float32',
    threads: options.threads ?? availableParallelism(),
    ranks: options.ranks?.size ?? 1,
  };
}

/**
 * @param stored of the checkpoint that a run goes on from
 * @returns a line for each setting that differs and may
 * @throws BertramError `bad-input` naming the first setting that differs and must not
 */
export function compareSettings(stored: RunSettings, now: RunSettings): string[] {
  const names = new Set([...Object.keys(stored), ...Object.keys(now)]);
  const warnings: string[] = [];
  for (const name of names) {
    const [before, after] = [stored[name], now[name]];
    if (before === after) continue;
    if (FIXED.has(name))
      badInput(`training: ${name}`, `${shown(before)}, as in the checkpoint`, shown(after));
    warnings.push(
      `${name} is ${shown(after)} and was ${shown(before)}: the run will not end as it would have`,
    );
  }
  return warnings;
}

/** Of the examples' lengths, and of all there is to them where the task can tell. */
function dataSha256({ lengths, sha256 = '' }: TrainingData): string {
  const hash = createHash('sha256');
  return hash.update(Int32Array.from(lengths)).update(sha256).digest('hex');
}
