export { DropoutMasks } from './dropout-masks.ts';
export { TrainStep, type Objective, type TrainStepOptions } from './train-step.ts';
export { TrainingState, type DecayGroup } from './training-state.ts';
