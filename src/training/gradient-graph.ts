/** The graph of a batch's gradients: what is compiled to train, and what memory is predicted from. */
import { gradient } from '../autodiff/index.ts';
import type { Tensor } from '../graph/index.ts';
import { countParameters, type Dropout, type Parameter } from '../nn/index.ts';
import { sharedMeans, type BatchMeans, type SharedMeans } from './batch-shares.ts';
import { recomputed, type Recompute } from './recomputation.ts';

/** What is trained: a loss over parameters. The trainer knows nothing else of the model. */
export interface Objective extends BatchMeans {
  readonly parameters: readonly Parameter[];
  readonly dropout: Dropout;
}

export interface GradientGraph {
  readonly means: SharedMeans;
  /** Of each parameter, in their order. */
  readonly gradients: readonly Tensor[];
}

/** Parameters from which on memory counts for more than the eighth of the time that computing again costs. */
const LARGE_MODEL = 2e8;

/** @param recompute `cheap` for models of more than 200 million parameters, else `nothing`, unless told */
export function gradientGraph(objective: Objective, recompute = usualRecompute(objective)): GradientGraph {
  const means = sharedMeans(objective);
  const { loss } = means.outputs;
  const parameters = objective.parameters.map(({ tensor }) => tensor);
  return { means, gradients: gradient(loss, parameters, { recompute: recomputed(loss, recompute) }) };
}

function usualRecompute({ parameters }: Objective): Recompute {
  return countParameters(parameters) > LARGE_MODEL ? 'cheap' : 'nothing';
}
