export { epochBatches, type BatchOptions } from './batches.ts';
export type { BestModelOptions, BestRecord } from './best-model.ts';
export {
  Checkpoints,
  listCheckpoints,
  newestCheckpoint,
  readCheckpoint,
  recoverCheckpoints,
  verifyCheckpoint,
  type CheckpointOptions,
} from './checkpoints.ts';
export { DropoutMasks } from './dropout-masks.ts';
export type { RunSettings } from './run-settings.ts';
export { writeTrainerState } from './trainer-state.ts';
export type { Objective } from './gradient-graph.ts';
export { TrainStep, type BatchMetrics, type TrainStepOptions } from './train-step.ts';
export { trainingMemory, type MemoryNeeds, type TrainingMemory } from './training-memory.ts';
export { train } from './trainer.ts';
export type { TrainingBatch, TrainingData } from './training-data.ts';
export type { TrainingEvent, TrainingHooks, TrainingProgress, TrainingResult } from './training-hooks.ts';
export { TrainingStopped } from './training-stopped.ts';
export { TrainingState, type DecayGroup } from './training-state.ts';
export type { EvaluationEntry, EvaluationMetrics, LogEntry, LogHistory } from './training-log.ts';
export type { Recompute } from './recomputation.ts';
export { checkTrainingOptions, type Interval, type TrainingOptions } from './training-options.ts';
