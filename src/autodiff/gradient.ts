/**
 * Reverse-mode automatic differentiation: the backward pass is more graph.
 *
 * The walk visits nodes from the loss back to the inputs, hands each node's gradient to its rule, and adds up what
 * reaches a tensor along several ways. Un-broadcasting is done here, once, and not in the rules.
 *
 * The walk's order is also that of the computation, as far as memory goes: it goes on when the gradients that were wanted
 * of a node are there, so that what they read of the forward pass can be freed. An engine that is free to choose may put
 * all of them off to the end, and keep everything until then.
 */
import {
  add,
  after,
  describe,
  nodesOf,
  reshape,
  sameShape,
  scalar,
  scoped,
  sum,
  type Node,
  type Tensor,
} from '../graph/index.ts';
import { BertramError } from '../support/errors.ts';
import { gradientRules, type GradientRule } from './gradient-rules.ts';
import { Recomputation } from './recomputation.ts';

export interface GradientOptions {
  /**
   * The nodes whose results are not kept for the backward pass: it computes those that it needs a second time. Of none
   * unless told.
   */
  readonly recompute?: ((node: Node) => boolean) | undefined;
}

/**
 * The gradients of a scalar with respect to tensors.
 *
 * @param loss float32[]
 * @param wrt tensors that the loss depends on
 * @returns one gradient for each of `wrt`, in its shape
 * @throws BertramError `bad-graph` when the loss is not a scalar, or does not depend on one of `wrt`
 */
export function gradient(
  loss: Tensor,
  wrt: readonly Tensor[],
  { recompute }: GradientOptions = {},
): Tensor[] {
  if (loss.shape.length !== 0 || loss.dtype !== 'float32') {
    throw new BertramError(
      'bad-graph',
      `gradient: expected a loss float32[], got ${describe(loss.dtype, loss.shape)}`,
    );
  }
  const gradients = new Map<Tensor, Tensor>([[loss, scalar(1)]]);
  const wanted = new Set(wrt);
  const nodes = nodesOf([loss]);
  const leading = nodesTowards(nodes, wanted);
  const recomputation = recompute === undefined ? undefined : new Recomputation(recompute);

  let finished: Tensor[] = [];
  for (const node of nodes.reverse()) {
    const reached = gradients.get(node.outputs[0]!);
    const side = node.outputs.slice(1).find((output) => gradients.has(output));
    if (side !== undefined) {
      throw new BertramError(
        'bad-graph',
        `gradient: output ${side.index} of ${node.label} has no derivative`,
      );
    }
    if (reached === undefined || !leading.has(node)) continue;
    const rule = gradientRules[node.op] as GradientRule;
    scoped(node.scope === '' ? 'gradient' : `${node.scope}.gradient`, () => {
      const upstream = finished.reduce(after, reached);
      finished = [];
      rule(recomputation?.view(node, upstream) ?? node, upstream).forEach((contribution, i) => {
        const target = node.inputs[i]!;
        if (contribution === undefined || !(wanted.has(target) || leading.has(target.node))) return;
        const fitted = sumTo(contribution, target);
        const existing = gradients.get(target);
        gradients.set(target, existing === undefined ? fitted : add(existing, fitted));
        if (wanted.has(target)) finished.push(fitted);
      });
    });
  }
  return wrt.map((tensor) => {
    const found = gradients.get(tensor);
    if (found !== undefined) return found;
    throw new BertramError('bad-graph', `gradient: the loss does not depend on ${tensor.toString()}`);
  });
}

/** The nodes from which one of the wanted tensors can be reached: only through them need gradients flow. */
function nodesTowards(nodes: readonly Node[], wanted: ReadonlySet<Tensor>): Set<Node> {
  const leading = new Set<Node>();
  for (const node of nodes) {
    if (node.inputs.some((input) => wanted.has(input) || leading.has(input.node))) leading.add(node);
  }
  return leading;
}

/**
 * Sums a gradient over the axes along which its target was broadcast: for a target [4, 1] used as [B, 4, 7], the
 * gradient [B, 4, 7] is summed over axes 0 and 2.
 */
function sumTo(contribution: Tensor, target: Tensor): Tensor {
  if (sameShape(contribution.shape, target.shape)) return contribution;
  const extra = contribution.shape.length - target.shape.length;
  const axes = contribution.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < extra || (target.shape[axis - extra] === 1 && contribution.shape[axis] !== 1));
  return reshape(sum(contribution, axes), target.shape);
}
