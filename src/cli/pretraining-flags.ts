import type { Recompute } from '../training/index.ts';
import type { BestModelFlags, MetricNames } from './evaluation-options.ts';

/** Of its evaluations, the one that decides by default first. */
export const PRETRAINING_METRICS: MetricNames = [
  'loss',
  'mlm_loss',
  'mlm_accuracy',
  'nsp_loss',
  'nsp_accuracy',
];

/** What `bertram pretrain` is asked, as commander hands it over. */
export interface PretrainingFlags extends BestModelFlags {
  readonly data?: string;
  readonly config?: string;
  readonly outputDir?: string;
  readonly overwriteOutputDir?: true;
  readonly initCheckpoint?: string;
  readonly resumeFromCheckpoint?: string | true;
  readonly uncased?: true;
  readonly trainBatchSize?: number;
  readonly gradientAccumulationSteps?: number;
  readonly learningRate?: number;
  readonly numTrainSteps?: number;
  readonly numWarmupSteps?: number;
  readonly maxSteps?: number;
  readonly weightDecay?: number;
  readonly maxGradNorm?: number;
  readonly dropout?: number;
  readonly saveCheckpointsSteps: number;
  readonly saveTotalLimit: number;
  readonly doEval?: true;
  readonly evalData?: string;
  readonly evalSteps?: number;
  readonly evalBatchSize?: number;
  readonly maxEvalExamples?: number;
  readonly loggingSteps: number;
  readonly groupByLength?: true;
  readonly seed: number;
  readonly precision: 'float32' | 'int8';
  readonly gradientCheckpointing?: Recompute;
  readonly threads?: number;
  readonly shardOptimizer?: true;
  readonly plan?: true;
  readonly json?: true;
}
