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
import type { Node, Tensor } from '../graph/index.ts';
import { lower, type InputDeclaration, type LoweredModel, type LowerOptions } from '../onnx/index.ts';
import { BertramError, messageOf } from '../support/errors.ts';
import { engine } from './engine.ts';
import { bindShape, type HostTensor } from './host-tensor.ts';
import type { Engine, EngineName, Session, SessionOptions } from './session.ts';

export interface CompileOptions extends LowerOptions, SessionOptions {
  /** How to call the engine; the best way there is unless told. */
  readonly engine?: EngineName;
}

export type Feeds = Readonly<Record<string, HostTensor>>;

/** Lowers the graph of the named results and prepares it to run. */
export async function compile<Name extends string>(
  outputs: Readonly<Record<Name, Tensor>>,
  options: CompileOptions = {},
): Promise<Program<Name>> {
  const model = lower(outputs, options);
  const chosen = await engine(options.engine);
  try {
    return new Program<Name>(chosen, await chosen.open(model, options), model);
  } catch (error) {
    throw engineError('compile', error, model.origins);
  }
}

export class Program<Name extends string = string> {
  readonly inputs: readonly InputDeclaration[];
  readonly outputs: readonly InputDeclaration[];
  /** How the engine is called. */
  readonly engine: EngineName;
  /** Why it is not called the native way, where that was tried first. */
  readonly fallbackReason: string | undefined;
  readonly #session: Session;
  readonly #origins: ReadonlyMap<string, Node>;
  /** The inputs, those that bind letters before those with products of them. */
  readonly #bindingOrder: readonly InputDeclaration[];

  constructor(chosen: Engine, session: Session, model: LoweredModel) {
    this.engine = chosen.name;
    this.fallbackReason = chosen.fallbackReason;
    this.#session = session;
    this.#origins = model.origins;
    this.inputs = model.inputs;
    this.outputs = model.outputs;
    const isProduct = (value: InputDeclaration): boolean =>
      value.shape.some((dim) => String(dim).includes('*'));
    this.#bindingOrder = [...model.inputs].sort((a, b) => Number(isProduct(a)) - Number(isProduct(b)));
  }

  /**
   * @param feeds every input, by name; they must not change until the run is over
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
    const places = this.outputs.map(({ name, dtype, shape }) => {
      const place = into[name as Name];
      if (place !== undefined) bindShape(`run: result ${name}`, place, dtype, shape, bindings);
      return place;
    });
    const fed = this.inputs.map(({ name }) => feeds[name]!);

    let results: readonly HostTensor[];
    try {
      results = await this.#session.run(fed, places);
    } catch (error) {
      throw engineError('run', error, this.#origins);
    }
    const named = this.outputs.map(({ name, dtype, shape }, i) => {
      const result = results[i]!;
      // A slice beyond the end of a symbolic axis, say, comes out shorter than declared.
      bindShape(`run: result ${name}`, result, dtype, shape, bindings);
      return [name, result];
    });
    return Object.fromEntries(named) as Record<Name, HostTensor>;
  }

  /** Frees the engine's memory. The program cannot run any more. */
  async release(): Promise<void> {
    await this.#session.release();
  }

  /** Ends a profile that `compile` began, and writes it. */
  endProfiling(): void {
    this.#session.endProfiling();
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
