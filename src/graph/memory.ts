/** How much memory the results of a graph's nodes take while they are computed. */
import type { OpName } from './ops.ts';
import { evaluateDim, type DType } from './shape.ts';
import { nodesOf, type Node, type Tensor } from './tensor.ts';

const BYTES: Readonly<Record<DType, number>> = { float32: 4, int32: 4, int64: 8, int8: 1, uint8: 1, bool: 1 };

/** Their results are the memory of their first input. */
const VIEWS: ReadonlySet<OpName> = new Set(['reshape', 'after']);
/** May write their result over an input that nobody reads any more. */
const IN_PLACE: ReadonlySet<OpName> = new Set([
  ...(['add', 'subtract', 'multiply', 'divide', 'negate', 'exp', 'sqrt', 'erf', 'tanh', 'relu'] as const),
]);

/** Bytes of a tensor whose letters have these sizes. */
export function bytesOf(
  { dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>,
  sizes: ReadonlyMap<string, number>,
): number {
  return shape.reduce<number>((bytes, dim) => bytes * evaluateDim(dim, sizes), BYTES[dtype]);
}

/**
 * The most bytes that results take at a time when nodes run in the order of their making and a result is freed after its
 * last reader. What is fed, constants, and the results that are asked for have memory of their own and do not count.
 *
 * @param results what is asked for
 * @param sizes of the letters of symbolic axes
 * @param scratch bytes that a node needs beside its results while it runs
 */
export function peakBytes(
  results: readonly Tensor[],
  sizes: ReadonlyMap<string, number>,
  scratch: (node: Node) => number = () => 0,
): number {
  const nodes = nodesOf(results);
  const owned = new Set(results.map(ownerOf));
  const lastReader = new Map<Tensor, Node>();
  for (const node of nodes) {
    for (const output of node.outputs) lastReader.set(ownerOf(output), node);
    for (const input of node.inputs) lastReader.set(ownerOf(input), node);
  }
  const counts = (tensor: Tensor): boolean =>
    tensor.node.inputs.length > 0 && !owned.has(tensor) && ownerOf(tensor) === tensor;

  let live = 0;
  let peak = 0;
  for (const node of nodes) {
    const made = total(node.outputs.filter(counts), sizes);
    const ending = new Set([...node.inputs, ...node.outputs].map(ownerOf).filter(counts));
    for (const tensor of ending) if (lastReader.get(tensor) !== node) ending.delete(tensor);
    const reused = IN_PLACE.has(node.op)
      ? node.inputs.map(ownerOf).find((input) => ending.has(input) && bytesOf(input, sizes) === made)
      : undefined;
    live += made;
    peak = Math.max(peak, live + scratch(node) - (reused === undefined ? 0 : made));
    live -= total([...ending], sizes);
  }
  return peak;
}

/** The tensor whose memory this one is. */
function ownerOf(tensor: Tensor): Tensor {
  let owner = tensor;
  while (VIEWS.has(owner.node.op)) owner = owner.node.inputs[0]!;
  return owner;
}

const total = (tensors: readonly Tensor[], sizes: ReadonlyMap<string, number>): number =>
  tensors.reduce((sum, tensor) => sum + bytesOf(tensor, sizes), 0);
