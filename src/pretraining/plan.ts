/**
 * What a recipe costs before anyone starts it: tokens, arithmetic, memory and disk, by closed formulas.
 *
 * The arithmetic is that of the products: 6 operations for each weight of a linear layer and each token it sees, 2
 * forward and 4 backward (Kaplan et al., 2020, https://arxiv.org/abs/2001.08361, section 2.1); attention's two products
 * grow with the length; the vocabulary's product is done for the masked places only.
 */
import { countParameters } from '../nn/index.ts';
import type { BertConfig } from '../bert/index.ts';
import { pretrainingObjective } from './objective.ts';
import type { PhaseSettings } from './phases.ts';

export const FLOPS_FORMULA =
  '6 L (4 H² + 2 H I) + 12 L S H a token, 6 (H² + H V) a prediction, 6 (H² + 2 H) an example';

const FLOAT_BYTES = 4;

export interface PhasePlan {
  readonly maxSeqLength: number;
  readonly steps: number;
  readonly warmupSteps: number;
  readonly trainBatchSize: number;
  readonly gradientAccumulationSteps: number;
  readonly examples: number;
  /** Padding included: at most. */
  readonly tokens: number;
  /** Masked places: at most. */
  readonly predictions: number;
  readonly flops: number;
  /** While one batch is computed, estimated. */
  readonly activationBytes: number;
  /** If no example is seen twice. */
  readonly shardBytes: number;
}

export interface PretrainingPlan {
  readonly name: string;
  readonly parameters: number;
  readonly phases: readonly PhasePlan[];
  readonly steps: number;
  readonly examples: number;
  readonly tokens: number;
  readonly flops: number;
  readonly memory: {
    readonly parameterBytes: number;
    /** Two arrays where gradients are accumulated. */
    readonly gradientBytes: number;
    readonly momentBytes: number;
    readonly activationBytes: number;
    readonly totalBytes: number;
  };
  readonly disk: {
    /** Weights and moments. */
    readonly checkpointBytes: number;
    readonly keptCheckpoints: number;
    readonly modelBytes: number;
    readonly shardBytes: number;
    readonly totalBytes: number;
  };
}

/** The operations of so many examples, forward and backward. */
export function flopsOf(
  config: BertConfig,
  examples: number,
  maxSeqLength: number,
  predictionsPerExample: number,
): number {
  const { numHiddenLayers: L, hiddenSize: H, intermediateSize: I, vocabSize: V } = config;
  const token = 6 * L * (4 * H * H + 2 * H * I) + 12 * L * maxSeqLength * H;
  const prediction = 6 * (H * H + H * V);
  const pair = 6 * (H * H + 2 * H);
  return examples * (maxSeqLength * token + predictionsPerExample * prediction + pair);
}

/** @param keptCheckpoints how many are on the disk at a time */
export function planOf(
  name: string,
  config: BertConfig,
  settings: readonly PhaseSettings[],
  keptCheckpoints: number,
): PretrainingPlan {
  const parameters = countParameters(pretrainingObjective(config).parameters);
  const phases = settings.map((phase) => planPhase(config, phase));
  const total = (field: 'steps' | 'examples' | 'tokens' | 'flops' | 'shardBytes'): number =>
    phases.reduce((sum, phase) => sum + phase[field], 0);
  const modelBytes = parameters * FLOAT_BYTES;
  const accumulates = phases.some(({ gradientAccumulationSteps }) => gradientAccumulationSteps > 1);
  const memory = {
    parameterBytes: modelBytes,
    gradientBytes: modelBytes * (accumulates ? 2 : 1),
    momentBytes: modelBytes * 2,
    activationBytes: Math.max(...phases.map(({ activationBytes }) => activationBytes)),
  };
  const disk = {
    checkpointBytes: modelBytes * 3,
    keptCheckpoints,
    modelBytes,
    shardBytes: total('shardBytes'),
  };
  return {
    name,
    parameters,
    phases,
    steps: total('steps'),
    examples: total('examples'),
    tokens: total('tokens'),
    flops: total('flops'),
    memory: {
      ...memory,
      totalBytes: memory.parameterBytes + memory.gradientBytes + memory.momentBytes + memory.activationBytes,
    },
    disk: {
      ...disk,
      totalBytes: disk.checkpointBytes * keptCheckpoints + modelBytes * phases.length + disk.shardBytes,
    },
  };
}

function planPhase(config: BertConfig, phase: PhaseSettings): PhasePlan {
  const { maxSeqLength, maxPredictionsPerSeq, trainBatchSize, gradientAccumulationSteps } = phase;
  const examples = phase.numTrainSteps * trainBatchSize;
  const batch = trainBatchSize / gradientAccumulationSteps;
  return {
    maxSeqLength,
    steps: phase.numTrainSteps,
    warmupSteps: phase.numWarmupSteps,
    trainBatchSize,
    gradientAccumulationSteps,
    examples,
    tokens: examples * maxSeqLength,
    predictions: examples * maxPredictionsPerSeq,
    flops: flopsOf(config, examples, maxSeqLength, maxPredictionsPerSeq),
    activationBytes: activationBytes(config, batch, maxSeqLength, maxPredictionsPerSeq),
    // Ids and labels of 2 bytes, places of 2; offsets, segment and label of the pair.
    shardBytes: examples * (2 * maxSeqLength + 4 * maxPredictionsPerSeq + 15),
  };
}

/**
 * What the backward pass still needs of the forward pass: of each layer about 14 arrays of [B, S, H], 2 of [B, S, I] and 2
 * of [B, N, S, S], with a byte for each number that dropout may drop; and 3 of [P, V].
 */
function activationBytes(config: BertConfig, batch: number, length: number, predictions: number): number {
  const { numHiddenLayers, hiddenSize, intermediateSize, numAttentionHeads, vocabSize } = config;
  const perToken = 14 * hiddenSize + 2 * intermediateSize + 2 * numAttentionHeads * length;
  const masks = 2 * hiddenSize + numAttentionHeads * length;
  const layers = numHiddenLayers * batch * length * (perToken * FLOAT_BYTES + masks);
  return layers + 3 * batch * predictions * vocabSize * FLOAT_BYTES;
}
