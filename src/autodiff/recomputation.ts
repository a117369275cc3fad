/**
 * Recomputation, or gradient checkpointing (Chen et al., 2016, https://arxiv.org/abs/1604.06174): results of the forward
 * pass that the backward pass needs are computed a second time there instead of being kept in between.
 *
 * In a graph, that is a copy of the nodes that make them. The copy of y = f(x) reads x only after the gradient that asks
 * for y is there: otherwise an engine would see the same f(x) twice and compute it once, or compute the copy at once and
 * keep it after all.
 */
import { after, Node, scoped, type Tensor } from '../graph/index.ts';
import type { DifferentiatedNode } from './gradient-rules.ts';

export class Recomputation {
  readonly #isChosen: (node: Node) => boolean;
  readonly #copies = new Map<Node, Node>();
  readonly #waiting = new Map<Tensor, Tensor>();

  /** @param isChosen whether a node's results are computed again rather than kept */
  constructor(isChosen: (node: Node) => boolean) {
    this.#isChosen = isChosen;
  }

  /** A node as its gradient rule shall see it. @param upstream the gradient that is at hand by then */
  view(node: Node, upstream: Tensor): DifferentiatedNode {
    const { op, attributes, label } = node;
    const again = (tensor: Tensor): Tensor => this.#again(tensor, upstream);
    return { op, attributes, label, inputs: node.inputs.map(again), outputs: node.outputs.map(again) };
  }

  #again(tensor: Tensor, upstream: Tensor): Tensor {
    const { node, index } = tensor;
    // What has no inputs, such as a constant, takes no memory of the forward pass.
    if (node.inputs.length === 0 || !this.#isChosen(node)) return tensor;
    let copy = this.#copies.get(node);
    if (copy === undefined) {
      copy = this.#copyOf(node, upstream);
      this.#copies.set(node, copy);
    }
    return copy.outputs[index]!;
  }

  #copyOf({ op, attributes, inputs }: Node, upstream: Tensor): Node {
    return scoped('again', () => {
      const copies = inputs.map((input) => this.#again(input, upstream));
      // One input that has to wait is enough.
      if (copies.every((copy, i) => copy === inputs[i])) copies[0] = this.#after(copies[0]!, upstream);
      return new Node(op, copies, attributes);
    });
  }

  /** One for each tensor, so that copies which read the same see the same. */
  #after(tensor: Tensor, upstream: Tensor): Tensor {
    const known = this.#waiting.get(tensor);
    if (known !== undefined) return known;
    const waiting = after(tensor, upstream);
    this.#waiting.set(tensor, waiting);
    return waiting;
  }
}
