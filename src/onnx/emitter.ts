/**
 * Collects the ONNX nodes of one model: names values, makes constants, and finds symbolic dimensions at run time.
 */
import { create } from '@bufbuild/protobuf';
import { BertramError } from '../support/errors.ts';
import type { Dim, DType, Shape } from '../graph/index.ts';
import {
  AttributeProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
} from './generated/onnx-subset_pb.ts';

/** ONNX's numbers for data types (TensorProto.DataType). */
export const ELEMENT_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
};

/** ONNX's numbers for attribute types (AttributeProto.AttributeType). */
const FLOAT_ATTRIBUTE = 1;
const INT_ATTRIBUTE = 2;
const STRING_ATTRIBUTE = 3;
const TENSOR_ATTRIBUTE = 4;
const INTS_ATTRIBUTE = 7;

/** An attribute's value; a plain number is an integer attribute, `{ float }` a floating one. */
export type AttributeValue = number | { readonly float: number } | string | readonly number[] | TensorProto;

export interface EmitOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly domain?: 'com.microsoft';
  /** How many outputs the node has; 1 unless told. */
  readonly outputs?: number;
}

export class Emitter {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly #initializerNames = new Set<string>();
  readonly #constants = new Map<string, string>();
  readonly #made = new Map<string, unknown>();
  readonly #dims = new Map<Dim, string>();
  /** For each letter, an input that has it, and on which axis. */
  readonly #dimSources: ReadonlyMap<string, { readonly value: string; readonly axis: number }>;
  #prefix = '';
  #count = 0;

  constructor(inputs: readonly { readonly name: string; readonly shape: Shape }[]) {
    const sources = new Map<string, { value: string; axis: number }>();
    for (const { name, shape } of inputs) {
      shape.forEach((dim, axis) => {
        if (typeof dim === 'string' && !sources.has(dim)) sources.set(dim, { value: name, axis });
      });
    }
    this.#dimSources = sources;
  }

  /** Names of values and nodes made from now on begin with the prefix, which says the graph node they lower. */
  startNode(prefix: string): void {
    this.#prefix = prefix;
    this.#count = 0;
  }

  /** Adds a node of one output and returns the output's name. An empty input name leaves out an optional input. */
  node(opType: string, inputs: readonly string[], options: EmitOptions = {}): string {
    return this.nodeWithOutputs(opType, inputs, options)[0]!;
  }

  /** What `make` emits, the first time that this is asked for under this name. */
  once<T>(what: string, make: () => T): T {
    if (!this.#made.has(what)) this.#made.set(what, make());
    return this.#made.get(what) as T;
  }

  nodeWithOutputs(opType: string, inputs: readonly string[], options: EmitOptions = {}): string[] {
    const name = `${this.#prefix}/${this.#count++}`;
    const outputs = Array.from({ length: options.outputs ?? 1 }, (_, i) => `${name}:${i}`);
    const attribute = Object.entries(options.attributes ?? {}).map(([key, value]) =>
      encodeAttribute(key, value),
    );
    const domain = options.domain ?? '';
    this.nodes.push(
      create(NodeProtoSchema, { name, opType, input: [...inputs], output: outputs, attribute, domain }),
    );
    return outputs;
  }

  /** An initializer, made once for each name. */
  tensor(name: string, dtype: DType, shape: readonly number[], data: ArrayBufferView): string {
    if (!this.#initializerNames.has(name)) this.initializers.push(encodeTensor(name, dtype, shape, data));
    this.#initializerNames.add(name);
    return name;
  }

  /** A float32 constant of shape [], shared by all nodes that use the same number. */
  scalar(value: number): string {
    return this.#constant(`scalar ${value}`, 'float32', [], Float32Array.of(value));
  }

  /** A uint8 constant of shape []. */
  uint8(value: number): string {
    return this.#constant(`uint8 ${value}`, 'uint8', [], Uint8Array.of(value));
  }

  /** An int8 constant of shape []. */
  int8(value: number): string {
    return this.#constant(`int8 ${value}`, 'int8', [], Int8Array.of(value));
  }

  /** One value repeated, in a shape that a run decides (int64[rank]). */
  filled(dtype: 'uint8' | 'int8', value: number, shape: string): string {
    const single = encodeTensor(
      '',
      dtype,
      [1],
      dtype === 'uint8' ? Uint8Array.of(value) : Int8Array.of(value),
    );
    return this.node('ConstantOfShape', [shape], { attributes: { value: single } });
  }

  /** A constant vector of int64. */
  integers(values: readonly number[]): string {
    return this.#constant(
      `integers ${values.join(',')}`,
      'int64',
      [values.length],
      BigInt64Array.from(values, (value) => BigInt(value)),
    );
  }

  /** A dimension as int64[1], read from the shape of an input that has it. */
  dim(dim: Dim): string {
    if (typeof dim === 'number') return this.integers([dim]);
    const known = this.#dims.get(dim);
    if (known !== undefined) return known;
    const factors = dim.split('*');
    const value = factors.length > 1 ? this.#dimProduct(factors) : this.#dimLetter(dim);
    this.#dims.set(dim, value);
    return value;
  }

  /** A shape as int64[rank]. */
  shape(shape: Shape): string {
    if (shape.every((dim) => typeof dim === 'number')) return this.integers(shape);
    return this.node(
      'Concat',
      shape.map((dim) => this.dim(dim)),
      { attributes: { axis: 0 } },
    );
  }

  #dimLetter(letter: string): string {
    const source = this.#dimSources.get(letter);
    if (source === undefined) {
      throw new BertramError(
        'bad-graph',
        `${this.#prefix}: expected an input of the program with an axis ${letter}, got none`,
      );
    }
    const { value, axis } = source;
    return this.node('Shape', [value], { attributes: { start: axis, end: axis + 1 } });
  }

  #dimProduct(factors: readonly string[]): string {
    const values = factors.map((factor) =>
      /^\d+$/.test(factor) ? this.integers([Number(factor)]) : this.dim(factor),
    );
    return values.reduce((a, b) => this.node('Mul', [a, b]));
  }

  #constant(key: string, dtype: DType, shape: readonly number[], data: ArrayBufferView): string {
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = this.tensor(`constant/${this.#constants.size}`, dtype, shape, data);
      this.#constants.set(key, name);
    }
    return name;
  }
}

export function encodeTensor(
  name: string,
  dtype: DType,
  shape: readonly number[],
  data: ArrayBufferView,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: ELEMENT_TYPES[dtype],
    dims: shape.map((dim) => BigInt(dim)),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

function encodeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, i: BigInt(value), type: INT_ATTRIBUTE });
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, s: new TextEncoder().encode(value), type: STRING_ATTRIBUTE });
  }
  if (Array.isArray(value)) {
    return create(AttributeProtoSchema, {
      name,
      ints: value.map((item: number) => BigInt(item)),
      type: INTS_ATTRIBUTE,
    });
  }
  if ('float' in value) return create(AttributeProtoSchema, { name, f: value.float, type: FLOAT_ATTRIBUTE });
  return create(AttributeProtoSchema, { name, t: value as TensorProto, type: TENSOR_ATTRIBUTE });
}
