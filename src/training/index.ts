export { epochBatches, type BatchOptions } from './batches.ts';
export { listCheckpoints, readCheckpoint, writeCheckpoint, writeTrainerState } from './checkpoints.ts';
export { DropoutMasks } from './dropout-masks.ts';
export { TrainStep, type Objective, type TrainStepOptions } from './train-step.ts';
export {
  train,
  type LogEntry,
  type TrainingBatch,
  type TrainingData,
  type TrainingEvent,
  type TrainingHooks,
  type TrainingOptions,
  type TrainingProgress,
  type TrainingResult,
} from './trainer.ts';
export { TrainingState, type DecayGroup } from './training-state.ts';
