/**
 * Symbolic tensors and the nodes that produce them. Building a graph computes shapes and nothing else.
 */
import { BertramError, shown } from '../support/errors.ts';
import type { OpAttributes, OpName } from './ops.ts';
import { describe, isDim, type DType, type Shape } from './shape.ts';
import { shapeRules, type ValueType } from './shape-rules.ts';

/** One operation applied to its inputs. Nodes are never changed once made. */
export class Node<Name extends OpName = OpName> {
  readonly op: Name;
  readonly inputs: readonly Tensor[];
  readonly attributes: OpAttributes[Name];
  readonly outputs: readonly Tensor[];
  /** Unique in the process and rising: an input's node always has a lower number. */
  readonly number: number;
  /** Where in the model it was made, such as `bert.encoder.layer.0`. */
  readonly scope: string;
  readonly #origin: { readonly stack?: string };

  constructor(op: Name, inputs: readonly Tensor[], attributes: OpAttributes[Name]) {
    this.op = op;
    this.inputs = inputs;
    this.attributes = attributes;
    this.number = nextNumber++;
    this.scope = scopes.join('.');
    this.#origin = captureOrigin();
    this.outputs = this.#inferTypes().map((type, index) => new Tensor(this as unknown as Node, index, type));
  }

  /** The line of source code that made this node, such as `src/bert/encoder.ts:71:20`, where it is known. */
  get source(): string | undefined {
    const line = this.#origin.stack
      ?.split('\n')
      .find((frame) => frame.includes(' at ') && !graphFrame.test(frame));
    return line === undefined ? undefined : /\(?([^\s(]+:\d+:\d+)\)?$/.exec(line)?.[1];
  }

  /** `matmul_17 in bert.encoder.layer.0`: how errors and printed graphs call this node. */
  get label(): string {
    return `${this.op}_${String(this.number)}${this.scope === '' ? '' : ` in ${this.scope}`}`;
  }

  #inferTypes(): readonly ValueType[] {
    const rule = shapeRules[this.op] as (
      inputs: readonly ValueType[],
      attributes: OpAttributes[Name],
    ) => readonly ValueType[];
    try {
      const types = rule(this.inputs, this.attributes);
      const odd = types.flatMap(({ shape }) => shape).find((dim) => !isDim(dim));
      if (odd === undefined) return types;
      throw new BertramError('bad-graph', `expected axes such as 7, B and 2*B*S, not ${shown(odd)}`);
    } catch (error) {
      if (!(error instanceof BertramError)) throw error;
      const got = this.inputs.map((input) => describe(input.dtype, input.shape)).join(' and ');
      const where = [
        got === '' ? '' : `, got ${got}`,
        this.scope === '' ? '' : ` in ${this.scope}`,
        this.source ? ` (${this.source})` : '',
      ].join('');
      throw new BertramError('bad-graph', `${this.op}: ${error.message}${where}`, {
        cause: error,
      });
    }
  }
}

/** One result of a node: a data type and a shape, and no numbers until a program runs. */
export class Tensor implements ValueType {
  readonly node: Node;
  /** Which of the node's outputs this is. */
  readonly index: number;
  readonly dtype: DType;
  readonly shape: Shape;

  constructor(node: Node, index: number, type: ValueType) {
    this.node = node;
    this.index = index;
    this.dtype = type.dtype;
    this.shape = type.shape;
  }

  toString(): string {
    return `${this.node.label}: ${describe(this.dtype, this.shape)}`;
  }
}

let nextNumber = 0;
const scopes: string[] = [];
const graphFrame = /[/\\]graph[/\\](tensor|operations|heads)\.[jt]s/;

/** Makes nodes inside `build` carry `name` in their scope. Scopes nest: `scoped('bert', () => scoped('encoder', …))`. */
export function scoped<T>(name: string, build: () => T): T {
  scopes.push(name);
  try {
    return build();
  } finally {
    scopes.pop();
  }
}

/** Keeps the stack of the node's making. V8 formats it only when it is read, so this costs little for each node. */
function captureOrigin(): { readonly stack?: string } {
  const origin: { stack?: string } = {};
  const v8 = Error as { captureStackTrace?: (target: object, above: unknown) => void };
  v8.captureStackTrace?.(origin, Node);
  return origin;
}

/** All nodes that the tensors depend on, each after its inputs. */
export function nodesOf(tensors: Iterable<Tensor>): Node[] {
  const seen = new Set<Node>();
  const pending = [...tensors].map((tensor) => tensor.node);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) pending.push(input.node);
  }
  // Numbers rise from inputs to results, so sorting by number is a topological order.
  return [...seen].sort((a, b) => a.number - b.number);
}
