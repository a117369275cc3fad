/**
 * A recipe of pretraining: the model, the optimizer's numbers and the phases, in one file that can be planned before
 * anyone starts it.
 *
 * BERT was trained for 90 % of its steps on sequences of 128 pieces and for the rest on 512 (Devlin et al., 2019,
 * appendix A.2), in two runs, each with an optimizer of its own, the second started from the first's weights
 * (google-research/bert README).
 */
import { basename } from 'node:path';
import { z } from 'zod';
import {
  parseBertConfig,
  presetConfig,
  presetNames,
  type BertConfig,
  type PresetName,
} from '../bert/index.ts';
import { badInput, messageOf, shown } from '../support/errors.ts';

export interface PretrainingPhase {
  /** The shards that it trains on; undefined where the caller says. */
  readonly data: string | undefined;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  /** Its part of all updates; those of all phases sum to 1. */
  readonly share: number;
  /** Of its own, if not those of the recipe. */
  readonly numWarmupSteps: number | undefined;
  readonly trainBatchSize: number | undefined;
  readonly gradientAccumulationSteps: number | undefined;
  readonly learningRate: number | undefined;
}

export interface PretrainingRecipe {
  readonly name: string;
  /** The model, for the vocabulary of the shards. */
  readonly model: (vocabSize: number) => BertConfig;
  /** Entries of the vocabulary, where the recipe fixes them. */
  readonly vocabSize: number | undefined;
  /** The numbers that it says; those that it leaves out have the defaults of google-research/bert. */
  readonly numbers: RecipeNumbers;
  /** At least one. */
  readonly phases: readonly PretrainingPhase[];
}

/** Settings by the names of their options. */
export interface RecipeNumbers {
  readonly trainBatchSize?: number | undefined;
  readonly gradientAccumulationSteps?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly numTrainSteps?: number | undefined;
  readonly numWarmupSteps?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly maxGradNorm?: number | undefined;
}

const whole = z.int().positive();
const batch = {
  train_batch_size: whole.optional(),
  gradient_accumulation_steps: whole.optional(),
  learning_rate: z.number().positive().optional(),
  num_warmup_steps: z.int().nonnegative().optional(),
};
const phase = z.strictObject({
  data: z.string().optional(),
  max_seq_length: whole,
  max_predictions_per_seq: whole,
  share: z.number().positive().max(1),
  ...batch,
});
const recipeFile = z.strictObject({
  name: z.string().optional(),
  /** For readers of the file: where its numbers come from, how its data was prepared. */
  description: z.string().optional(),
  prepare: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  vocab_size: whole.optional(),
  model: z.union([z.enum(presetNames as [PresetName, ...PresetName[]]), z.looseObject({})]),
  num_train_steps: whole.optional(),
  weight_decay: z.number().nonnegative().optional(),
  max_grad_norm: z.number().nonnegative().optional(),
  ...batch,
  phases: z.array(phase).min(1),
});

/** A model without a recipe: one phase, of what the shards hold. */
const ONE_PHASE: PretrainingPhase = {
  data: undefined,
  maxSeqLength: 128,
  maxPredictionsPerSeq: 20,
  share: 1,
  numWarmupSteps: undefined,
  trainBatchSize: undefined,
  gradientAccumulationSteps: undefined,
  learningRate: undefined,
};

export function isPreset(name: string): name is PresetName {
  return (presetNames as readonly string[]).includes(name);
}

/** The recipe that is nothing but the model of a published size. */
export function presetRecipe(name: PresetName): PretrainingRecipe {
  return {
    name,
    model: (vocabSize) => presetConfig(name, vocabSize),
    vocabSize: undefined,
    numbers: {},
    phases: [ONE_PHASE],
  };
}

/**
 * Reads a recipe, or a model's `config.json`: a recipe has `phases`.
 *
 * @throws BertramError `bad-input` naming the first field that does not fit
 */
export function parseRecipe(text: string, path: string): PretrainingRecipe {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    badInput(path, 'JSON', messageOf(error));
  }
  if (typeof json !== 'object' || json === null || !('phases' in json)) {
    const config = parseBertConfig(json, path);
    return {
      name: basename(path, '.json'),
      model: () => config,
      vocabSize: config.vocabSize,
      numbers: {},
      phases: [ONE_PHASE],
    };
  }
  const parsed = recipeFile.safeParse(json);
  if (!parsed.success) refuse(parsed.error.issues[0]!, json, path);
  const file = parsed.data;
  const shares = file.phases.reduce((sum, { share }) => sum + share, 0);
  if (Math.abs(shares - 1) > 1e-6)
    badInput(`${path}: phases`, 'shares that sum to 1', String(Number(shares.toFixed(6))));
  const { model } = file;
  const config =
    typeof model === 'string'
      ? undefined
      : parseBertConfig({ vocab_size: file.vocab_size, ...model }, `${path}: model`);
  return {
    name: file.name ?? basename(path, '.json'),
    model: (vocabSize) => config ?? presetConfig(model as PresetName, vocabSize),
    vocabSize: config?.vocabSize ?? file.vocab_size,
    numbers: {
      trainBatchSize: file.train_batch_size,
      gradientAccumulationSteps: file.gradient_accumulation_steps,
      learningRate: file.learning_rate,
      numTrainSteps: file.num_train_steps,
      numWarmupSteps: file.num_warmup_steps,
      weightDecay: file.weight_decay,
      maxGradNorm: file.max_grad_norm,
    },
    phases: file.phases.map((entry) => ({
      data: entry.data,
      maxSeqLength: entry.max_seq_length,
      maxPredictionsPerSeq: entry.max_predictions_per_seq,
      share: entry.share,
      numWarmupSteps: entry.num_warmup_steps,
      trainBatchSize: entry.train_batch_size,
      gradientAccumulationSteps: entry.gradient_accumulation_steps,
      learningRate: entry.learning_rate,
    })),
  };
}

function refuse(issue: z.core.$ZodIssue, json: object, path: string): never {
  const field = issue.path.join('.');
  const where = field === '' ? path : `${path}: ${field}`;
  if (issue.code === 'unrecognized_keys') badInput(where, 'known fields', shown(issue.keys[0]));
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], json);
  const expectation = issue.message
    .replace(/^[\w ]+: (?=expected)|, received .*$/g, '')
    .replace(/^expected /, '');
  badInput(where, expectation, shown(value));
}
