/** Pretraining: from a corpus to masked examples, and from those to a model. */
export type { PieceArray, PretrainingExample, PretrainingExamples } from './example.ts';
export { prepare } from './prepare.ts';
export type { PrepareEvent, PrepareOptions, PrepareResult } from './prepare.ts';
export { openPretrainingExamples } from './pretraining-examples.ts';
export {
  PretrainingEvaluation,
  type PretrainingEvaluationOptions,
  type PretrainingMetrics,
} from './evaluation.ts';
export { pretrainingObjective, type PretrainingObjective } from './objective.ts';
export { openPhaseData, type PhaseData, type PhaseDataOptions } from './phase-data.ts';
export {
  phaseSettings,
  pretrainingDefaults,
  trainingOptionsOf,
  type PhaseSettings,
  type RunOptions,
} from './phases.ts';
export { FLOPS_FORMULA, flopsOf, planOf, type PhasePlan, type PretrainingPlan } from './plan.ts';
export { pretrainingBatch, pretrainingData } from './pretraining-batches.ts';
export { pretrain, type PretrainingOptions, type PretrainingOutcome } from './pretraining.ts';
export {
  isPreset,
  parseRecipe,
  presetRecipe,
  type PretrainingPhase,
  type PretrainingRecipe,
  type RecipeNumbers,
} from './recipe.ts';
export { hoursOf, trySpeed, type SpeedTrial, type SpeedTrialOptions } from './speed-trial.ts';
