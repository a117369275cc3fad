export {
  adamWScalars,
  adamWUpdate,
  decays,
  fineTuningAdamW,
  pretrainingAdamW,
  type AdamWOptions,
  type AdamWScalars,
  type AdamWUpdate,
} from './adamw.ts';
export { clippingFactor, sumOfSquares } from './clipping.ts';
export {
  pretrainingSchedule,
  schedule,
  scheduleNames,
  type Schedule,
  type ScheduleName,
} from './schedules.ts';
export { lbfgs, type LbfgsOptions, type LbfgsResult, type ValueAndGradient } from './lbfgs.ts';
