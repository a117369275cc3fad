/**
 * Lowers a graph to the bytes of an ONNX model (https://onnx.ai), which any ONNX runtime can load.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  describe,
  nodesOf,
  product,
  type Dim,
  type DType,
  type Node,
  type Shape,
  type Tensor,
} from '../graph/index.ts';
import { BertramError } from '../support/errors.ts';
import { ELEMENT_TYPES, Emitter } from './emitter.ts';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  TensorShapeProto_DimensionSchema,
  ValueInfoProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from './generated/onnx-subset_pb.ts';
import type { Int8Weight } from './linear-lowering.ts';
import { loweringRules, type LoweringContext, type LoweringRule } from './lowering-rules.ts';
import { SwitchBack } from './switch-back.ts';

const IR_VERSION = 9n;
const OPERATOR_SET = 18n;

export interface InputDeclaration {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface LowerOptions {
  /** Inputs to be baked into the model as constants, so that the engine can pre-pack them. By input name. */
  readonly constants?: ReadonlyMap<string, Float32Array>;
  /** Weights of `linear` to be baked in as int8, and multiplied in int8. By input name. */
  readonly int8Weights?: ReadonlyMap<string, Int8Weight>;
  /**
   * How linear layers multiply with weights that are not baked in. `int8` is SwitchBack: for training, at some loss of
   * precision (`linear-lowering.ts`). Default `float32`.
   */
  readonly linearPrecision?: 'float32' | 'int8';
}

export interface LoweredModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What has to be fed; baked-in inputs are not among them. */
  readonly inputs: readonly InputDeclaration[];
  readonly outputs: readonly InputDeclaration[];
  /** From the beginning of an ONNX node's name to the graph node it came from, to tell the source of an engine error. */
  readonly origins: ReadonlyMap<string, Node>;
}

/**
 * @param outputs the results to compute, by the names they shall have
 * @throws BertramError `bad-graph` when two inputs, or an input and a result, share a name, when a symbolic dimension is
 *   on no input, or when what is baked in does not fit an input of the graph
 */
export function lower(outputs: Readonly<Record<string, Tensor>>, options: LowerOptions = {}): LoweredModel {
  const { constants = new Map<string, Float32Array>(), int8Weights = new Map<string, Int8Weight>() } =
    options;
  const nodes = nodesOf(Object.values(outputs));
  const declarations = inputsOf(nodes);
  const shared = declarations.find(({ name }) => Object.hasOwn(outputs, name));
  if (shared !== undefined) {
    throw new BertramError(
      'bad-graph',
      `lower: expected results not named like inputs, got ${shared.name} as both`,
    );
  }
  checkBakedIn(nodes, declarations, constants, int8Weights);
  const fed = declarations.filter(({ name }) => !constants.has(name) && !int8Weights.has(name));
  const emit = new Emitter(fed);
  for (const { name, dtype, shape } of declarations) {
    const data = constants.get(name);
    if (data !== undefined) emit.tensor(name, dtype, shape as readonly number[], data);
  }

  const names = new Map<Tensor, string>();
  const origins = new Map<string, Node>();
  const context: LoweringContext = {
    emit,
    int8Weight: (node: Node) => (node.op === 'input' ? int8Weights.get(inputName(node)) : undefined),
    switchBack: options.linearPrecision === 'int8' ? new SwitchBack(emit) : undefined,
  };
  for (const node of nodes) {
    const prefix = `${node.op}_${node.number}`;
    origins.set(prefix, node);
    emit.startNode(prefix);
    const rule = loweringRules[node.op] as LoweringRule;
    const values = rule(
      node,
      node.inputs.map((tensor) => names.get(tensor)!),
      context,
    );
    node.outputs.forEach((tensor, i) => names.set(tensor, values[i]!));
  }

  nameOutputs(emit, outputs, names);
  const results = Object.entries(outputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'bertram',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: OPERATOR_SET }),
      create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: 'bertram',
      node: emit.nodes,
      initializer: emit.initializers,
      input: fed.map(describeValue),
      output: results.map(describeValue),
    }),
  });
  return { bytes: toBinary(ModelProtoSchema, model), inputs: fed, outputs: results, origins };
}

function inputName(node: Node): string {
  return (node.attributes as { readonly name: string }).name;
}

function inputsOf(nodes: readonly Node[]): InputDeclaration[] {
  const byName = new Map<string, InputDeclaration>();
  for (const node of nodes) {
    if (node.op !== 'input') continue;
    const name = inputName(node);
    if (byName.has(name))
      throw new BertramError('bad-graph', `lower: expected inputs of distinct names, got two ${name}`);
    const { dtype, shape } = node.outputs[0]!;
    byName.set(name, { name, dtype, shape });
  }
  return [...byName.values()];
}

/** What is baked in has to be inputs of the graph, of the same size; int8 weights only as weights of `linear`. */
function checkBakedIn(
  nodes: readonly Node[],
  declarations: readonly InputDeclaration[],
  constants: ReadonlyMap<string, Float32Array>,
  int8Weights: ReadonlyMap<string, Int8Weight>,
): void {
  const sizes = [
    ...[...constants].map(([name, data]) => ({ name, size: data.length, scales: undefined })),
    ...[...int8Weights].map(([name, { values, scales }]) => ({
      name,
      size: values.length,
      scales: scales.length,
    })),
  ];
  const seen = new Set<string>();
  for (const { name, size, scales } of sizes) {
    const declared = declarations.find((declaration) => declaration.name === name);
    if (declared === undefined || seen.has(name)) {
      const got = declared === undefined ? 'none' : 'it both as numbers and in int8';
      throw new BertramError('bad-graph', `lower: expected one input ${name} to bake in, got ${got}`);
    }
    seen.add(name);
    const { dtype, shape } = declared;
    if (dtype !== 'float32' || product(shape) !== size || (scales !== undefined && shape[0] !== scales)) {
      const rows = scales === undefined ? '' : ` and ${scales} scales`;
      const expected = describe(dtype, shape);
      throw new BertramError(
        'bad-graph',
        `lower: expected ${name} as ${expected}, got ${size} numbers${rows}`,
      );
    }
  }
  for (const node of nodes) {
    node.inputs.forEach(({ node: source }, i) => {
      if (source.op !== 'input' || !int8Weights.has(inputName(source)) || (node.op === 'linear' && i === 1))
        return;
      const where = node.source === undefined ? '' : ` (${node.source})`;
      throw new BertramError(
        'bad-graph',
        `lower: expected ${inputName(source)}, which is int8, only as a weight of linear, got it in ${node.label}${where}`,
      );
    });
  }
}

/**
 * Gives results their names by renaming the values that hold them. `Identity` nodes would do it too, at the price of a
 * copy of each result; they remain for a result that is an input, a constant, or has two names.
 */
function nameOutputs(
  emit: Emitter,
  outputs: Readonly<Record<string, Tensor>>,
  names: ReadonlyMap<Tensor, string>,
): void {
  const produced = new Map<string, NodeProto>();
  for (const node of emit.nodes) for (const value of node.output) produced.set(value, node);
  const renamed = new Map<string, string>();
  for (const [name, tensor] of Object.entries(outputs)) {
    const value = names.get(tensor)!;
    if (produced.has(value) && !renamed.has(value)) renamed.set(value, name);
    else {
      emit.startNode(`output ${name}`);
      const copy = emit.node('Identity', [value]);
      produced.set(copy, emit.nodes.at(-1)!);
      renamed.set(copy, name);
    }
  }
  for (const node of emit.nodes) {
    node.input = node.input.map((value) => renamed.get(value) ?? value);
    node.output = node.output.map((value) => renamed.get(value) ?? value);
  }
}

function describeValue({ name, dtype, shape }: InputDeclaration): ValueInfoProto {
  const dim = shape.map((size: Dim) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === 'number'
          ? { case: 'dimValue', value: BigInt(size) }
          : { case: 'dimParam', value: size },
    }),
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: ELEMENT_TYPES[dtype], shape: { dim } } } },
  });
}
