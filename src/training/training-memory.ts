/** What training takes of memory, predicted from the graph before anything is compiled. */
import { bytesOf, nodesOf, peakBytes, type Node } from '../graph/index.ts';
import { gradientGraph, type Objective } from './gradient-graph.ts';
import type { Recompute } from './recomputation.ts';

export interface MemoryNeeds {
  readonly linearPrecision?: 'float32' | 'int8';
  readonly recompute?: Recompute;
  /** Whether an update adds up the gradients of several batches. */
  readonly accumulates?: boolean;
}

/** Bytes that training takes at its peak. */
export interface TrainingMemory {
  /** Values, gradients (of two batches where they are added up) and two moments of each parameter. */
  readonly state_bytes: number;
  /** Dropout masks of a batch. */
  readonly mask_bytes: number;
  /** Results of the forward and backward pass at their most. */
  readonly activation_bytes: number;
  /** Node.js, the engine and the compiled graph. */
  readonly program_bytes: number;
  readonly total_bytes: number;
}

/**
 * Measured: what the engine's arena holds for each byte in use; Node.js with the engine loaded; what each node of the
 * gradient's graph adds when it is compiled.
 */
const ENGINE_SHARE = 1.5;
const PROGRAM_BYTES = 160e6;
const NODE_BYTES = 25e3;

/**
 * A prediction, by adding up what the graph's results take while it runs (docs/decisions/0015-training-memory.md).
 *
 * @param sizes of a batch's letters, such as B and S
 */
export function trainingMemory(
  objective: Objective,
  sizes: ReadonlyMap<string, number>,
  { linearPrecision = 'float32', recompute, accumulates = false }: MemoryNeeds = {},
): TrainingMemory {
  const { means, gradients } = gradientGraph(objective, recompute);
  const copies = accumulates ? 5 : 4;
  const values = objective.parameters.reduce((sum, { tensor }) => sum + bytesOf(tensor, sizes), 0);
  const masks = objective.dropout.sites.reduce(
    (sum, { shape }) => sum + bytesOf({ dtype: 'uint8', shape }, sizes),
    0,
  );
  const results = [...Object.values(means.outputs), ...gradients];
  const activations = peakBytes(results, sizes, (node) => scratchBytes(node, sizes));
  const isInt8 = linearPrecision === 'int8';
  const needs = {
    state_bytes: copies * values,
    mask_bytes: masks,
    activation_bytes: ENGINE_SHARE * (activations + (isInt8 ? values / 4 : 0)),
    program_bytes: PROGRAM_BYTES + NODE_BYTES * nodesOf(results).length,
  };
  return { ...needs, total_bytes: Object.values(needs).reduce((sum, bytes) => sum + bytes, 0) };
}

/** What the engine needs beside a node's results while it runs, where that is much. */
function scratchBytes(node: Node, sizes: ReadonlyMap<string, number>): number {
  const bytes = (): number => bytesOf(node.outputs[0]!, sizes);
  switch (node.op) {
    case 'dropout':
    case 'softmaxDropout':
      return bytes(); // the mask in float32
    case 'geluDerivative':
      return 2 * bytes();
    default:
      return 0;
  }
}
