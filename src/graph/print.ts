/** Graphs as text: one line a node, inputs first. */
import { describe } from './shape.ts';
import { nodesOf, type Node, type Tensor } from './tensor.ts';

/**
 * ```
 * input_0 = input(name=x): float32[B, 4]
 * relu_1 = relu(input_0): float32[B, 4]
 * ```
 */
export function printGraph(results: Iterable<Tensor>): string {
  return nodesOf(results).map(printNode).join('\n');
}

function printNode(node: Node): string {
  const attributes = Object.entries(node.attributes)
    .filter(
      ([name, value]) =>
        value !== undefined && name !== 'dtype' && !(name === 'shape' && node.op === 'input'),
    )
    .map(([name, value]) => `${name}=${printAttribute(value)}`);
  const inputs = node.inputs.map((input) => `${input.node.op}_${input.node.number}${outputSuffix(input)}`);
  const types = node.outputs.map((output) => describe(output.dtype, output.shape)).join(', ');
  const scope = node.scope === '' ? '' : `  # ${node.scope}`;
  return `${node.op}_${node.number} = ${node.op}(${[...inputs, ...attributes].join(', ')}): ${types}${scope}`;
}

const outputSuffix = (tensor: Tensor): string => (tensor.index === 0 ? '' : `.${tensor.index}`);

function printAttribute(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(', ')}]`;
  if (ArrayBuffer.isView(value)) {
    const numbers = value as unknown as ArrayLike<number | bigint>;
    const shown = Array.from(numbers as ArrayLike<number>)
      .slice(0, 4)
      .join(', ');
    return numbers.length > 4 ? `[${shown}, … ${numbers.length} in all]` : `[${shown}]`;
  }
  return String(value);
}
