/**
 * The parameters of a model: declared where a layer uses them, collected under their full names.
 *
 * A layer asks its scope for `weight`; under `bert.pooler.dense` that becomes `bert.pooler.dense.weight`, the name it
 * has in a Hugging Face checkpoint.
 */
import { input, type Tensor } from '../graph/index.ts';
import { BertramError } from '../support/errors.ts';
import type { Initializer } from './initializers.ts';

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** The graph input through which the program is fed its numbers. */
  readonly tensor: Tensor;
  readonly initializer: Initializer;
}

export class Parameters {
  readonly #declared: Map<string, Parameter>;
  readonly #prefix: string;

  constructor(declared = new Map<string, Parameter>(), prefix = '') {
    this.#declared = declared;
    this.#prefix = prefix;
  }

  /** All parameters so far, in the order of their declaration. */
  get all(): readonly Parameter[] {
    return [...this.#declared.values()];
  }

  /** The scope of a part of the model; what it declares is collected here too. */
  in(name: string): Parameters {
    return new Parameters(this.#declared, `${this.#prefix}${name}.`);
  }

  /** @throws BertramError `bad-graph` when the name is taken: a shared parameter is passed on as a tensor instead */
  declare(name: string, shape: readonly number[], initializer: Initializer): Tensor {
    const full = this.#prefix + name;
    if (this.#declared.has(full)) throw new BertramError('bad-graph', `parameter ${full}: declared twice`);
    const tensor = input(full, 'float32', shape);
    this.#declared.set(full, { name: full, shape, tensor, initializer });
    return tensor;
  }

  /**
   * A parameter that another layer declared, such as the word embeddings that an output layer shares.
   *
   * @throws BertramError `bad-graph` when none has that name yet
   */
  shared(name: string): Tensor {
    const full = this.#prefix + name;
    const parameter = this.#declared.get(full);
    if (parameter === undefined)
      throw new BertramError('bad-graph', `parameter ${full}: shared before it was declared`);
    return parameter.tensor;
  }
}

/** How many numbers the parameters hold in all. */
export function countParameters(parameters: Iterable<Pick<Parameter, 'shape'>>): number {
  let count = 0;
  for (const { shape } of parameters) count += shape.reduce((a, b) => a * b, 1);
  return count;
}
