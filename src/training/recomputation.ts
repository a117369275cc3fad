/**
 * What a training step computes a second time in its backward pass, to need less memory.
 *
 * B batch, S sequence, N heads, H hidden size, I intermediate size.
 */
import { nodesOf, type Node, type OpName, type Tensor } from '../graph/index.ts';

/**
 * - `nothing`: every result that the backward pass reads is kept.
 * - `cheap`: what takes much memory and few operations: attention's probabilities [B, N, S, S] before and after dropout,
 *   activations [B, S, I] and normalised sums (the selective recomputation of Korthikanti et al., 2022,
 *   https://arxiv.org/abs/2205.05198, carried on to the activations).
 * - `layers`: all of each encoder layer; only what passes from one to the next is kept. A third more work (transformers'
 *   `gradient_checkpointing`; Chen et al., 2016, https://arxiv.org/abs/1604.06174).
 */
export type Recompute = 'nothing' | 'cheap' | 'layers';

const CHEAP_OPS: ReadonlySet<OpName> = new Set(['gelu', 'relu', 'tanh', 'layerNorm', 'softmaxDropout']);
/** The scope in which attention computes its probabilities. */
const PROBABILITIES = /(^|\.)probabilities$/;
const LAYER = /(?:^|\.)(layer\.\d+)(?:\.|$)/;

/** For `gradient`: which nodes are computed again. */
export function recomputed(loss: Tensor, recompute: Recompute): ((node: Node) => boolean) | undefined {
  switch (recompute) {
    case 'nothing':
      return undefined;
    case 'cheap':
      return ({ op, scope }) => CHEAP_OPS.has(op) || PROBABILITIES.test(scope);
    case 'layers': {
      const passedOn = resultsOfLayers(nodesOf([loss]));
      return (node) => layerOf(node) !== undefined && !passedOn.has(node);
    }
  }
}

/** The nodes of a layer whose results are read outside of it. */
function resultsOfLayers(nodes: readonly Node[]): Set<Node> {
  const results = new Set<Node>();
  for (const node of nodes) {
    for (const { node: source } of node.inputs) if (layerOf(source) !== layerOf(node)) results.add(source);
  }
  return results;
}

const layerOf = ({ scope }: Node): string | undefined => LAYER.exec(scope)?.[1];
