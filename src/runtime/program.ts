/**
 * Compiled programs: a graph lowered to ONNX, in a session of ONNX Runtime, fed with typed arrays.
 *
 * This room is the only one that knows the engine. Fed arrays are used in place and not copied. Results are new
 * arrays, or are written into arrays that the caller owns (`into`).
 *
 * A result may be written over a fed array only where every reader of that array has finished by then. The engine does
 * not know that the two share memory, so this is safe where each number of the result depends on the numbers at the
 * same place alone (an optimizer's update), and wrong elsewhere (docs/decisions/0004-engine-facts.md).
 */
import * as ort from '#onnxruntime';
import type { Node, Tensor } from '../graph/index.ts';
import { lower, type InputDeclaration, type LoweredModel, type LowerOptions } from '../onnx/index.ts';
import { BertramError, messageOf } from '../support/errors.ts';
import { bindShape, type HostTensor } from './host-tensor.ts';

export interface CompileOptions extends LowerOptions {
  /** Threads inside one operation; the engine's choice (one a core) unless told. */
  readonly threads?: number;
  /**
   * Keep freed memory for the next run (fast, the default), or give it back to the system after each run: training of
   * large models peaks lower.
   */
  readonly keepMemory?: boolean;
  /** Writes the engine's time line of each operation to a file that begins with this name. */
  readonly profile?: string;
}

export type Feeds = Readonly<Record<string, HostTensor>>;

/** Lowers the graph of the named results and prepares it to run. */
export async function compile<Name extends string>(
  outputs: Readonly<Record<Name, Tensor>>,
  options: CompileOptions = {},
): Promise<Program<Name>> {
  const model = lower(outputs, options);
  try {
    const session = await ort.InferenceSession.create(model.bytes, sessionOptions(options));
    return new Program<Name>(session, model);
  } catch (error) {
    throw engineError('compile', error, model.origins);
  }
}

function sessionOptions(options: CompileOptions): ort.InferenceSession.SessionOptions {
  const { threads, keepMemory = true, profile } = options;
  return {
    graphOptimizationLevel: 'all',
    // Memory patterns are planned for one set of sizes; our batches change theirs.
    enableMemPattern: false,
    enableCpuMemArena: keepMemory,
    // Silent: what goes wrong is thrown.
    logSeverityLevel: 4,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
  };
}

export class Program<Name extends string = string> {
  readonly inputs: readonly InputDeclaration[];
  readonly outputs: readonly InputDeclaration[];
  readonly #session: ort.InferenceSession;
  readonly #origins: ReadonlyMap<string, Node>;
  readonly #declared: ReadonlyMap<string, InputDeclaration>;
  /** The inputs, those that bind letters before those with products of them. */
  readonly #bindingOrder: readonly InputDeclaration[];

  constructor(session: ort.InferenceSession, model: LoweredModel) {
    this.#session = session;
    this.#origins = model.origins;
    this.inputs = model.inputs;
    this.outputs = model.outputs;
    const isProduct = (value: InputDeclaration): boolean =>
      value.shape.some((dim) => String(dim).includes('*'));
    this.#bindingOrder = [...model.inputs].sort((a, b) => Number(isProduct(a)) - Number(isProduct(b)));
    this.#declared = new Map([...model.inputs, ...model.outputs].map((value) => [value.name, value]));
  }

  /**
   * @param feeds every input, by name
   * @param into arrays to write results into, by name; results not named here come in new arrays
   * @throws BertramError `bad-graph` when an input is missing, unknown or of another type or shape
   */
  async run(
    feeds: Feeds,
    into: { readonly [Key in Name]?: HostTensor } = {},
  ): Promise<Record<Name, HostTensor>> {
    refuseUnknown('an input', feeds, this.inputs);
    refuseUnknown('a result', into, this.outputs);
    const bindings = new Map<string, number>();
    for (const { name, dtype, shape } of this.#bindingOrder) {
      const tensor = feeds[name];
      if (tensor === undefined)
        throw new BertramError('bad-graph', `run: expected an input ${name}, got none`);
      bindShape(`run: input ${name}`, tensor, dtype, shape, bindings);
    }
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const { name, dtype, shape } of this.outputs) {
      const tensor = into[name as Name];
      if (tensor !== undefined) bindShape(`run: result ${name}`, tensor, dtype, shape, bindings);
      fetches[name] = tensor === undefined ? null : this.#wrap(name, tensor);
    }
    const wrapped: Record<string, ort.Tensor> = {};
    for (const { name } of this.inputs) wrapped[name] = this.#wrap(name, feeds[name]!);

    let results: ort.InferenceSession.OnnxValueMapType;
    try {
      results = await this.#session.run(wrapped, fetches);
    } catch (error) {
      throw engineError('run', error, this.#origins);
    }
    const read = this.outputs.map(({ name, dtype, shape }) => {
      const { data, dims } = results[name] as ort.Tensor;
      const result = into[name as Name] ?? ({ data, shape: dims } as HostTensor);
      // A slice beyond the end of a symbolic axis, say, comes out shorter than declared.
      bindShape(`run: result ${name}`, result, dtype, shape, bindings);
      return [name, result];
    });
    return Object.fromEntries(read) as Record<Name, HostTensor>;
  }

  /** Frees the engine's memory. The program cannot run any more. */
  async release(): Promise<void> {
    await this.#session.release();
  }

  /** Ends a profile that `compile` began, and writes it. */
  endProfiling(): void {
    this.#session.endProfiling();
  }

  #wrap(name: string, { data, shape }: HostTensor): ort.Tensor {
    const { dtype } = this.#declared.get(name)!;
    return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  }
}

function refuseUnknown(kind: string, given: object, declared: readonly InputDeclaration[]): void {
  const known = new Set(declared.map(({ name }) => name));
  const unknown = Object.keys(given).find((name) => !known.has(name));
  if (unknown === undefined) return;
  const some = [...known].slice(0, 8).join(', ');
  const names = known.size > 8 ? `${some}, … ${known.size} in all` : some;
  throw new BertramError('bad-graph', `run: expected ${kind} of the program (${names}), got ${unknown}`);
}

/** Finds which node of our graph an engine's message is about, and says so. */
function engineError(action: string, error: unknown, origins: ReadonlyMap<string, Node>): BertramError {
  const message = messageOf(error);
  const name = /Name:\s*'?([A-Za-z]+_\d+)\//.exec(message)?.[1] ?? /\(([A-Za-z]+_\d+)\//.exec(message)?.[1];
  const node = name === undefined ? undefined : origins.get(name);
  const where =
    node === undefined ? '' : ` at ${node.label}${node.source === undefined ? '' : ` (${node.source})`}`;
  return new BertramError('failed', `${action}: the engine failed${where}: ${message.split('\n')[0]!}`, {
    cause: error,
  });
}
