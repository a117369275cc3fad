/**
 * Where training keeps its numbers: parameters, gradients and the optimizer's two moments, each one flat array with a
 * view for every parameter. Flat arrays let the optimizer run over long stretches, and gradients travel in one call.
 */
import type { TensorToWrite } from '../checkpoint/index.ts';
import type { Parameter } from '../nn/index.ts';
import { decays } from '../optim/index.ts';
import type { HostTensor } from '../runtime/index.ts';
import { BertramError } from '../support/errors.ts';
import { Random } from '../support/random.ts';

/** Parameters begin at multiples of 64 bytes, where vector instructions are fastest. */
const ALIGNMENT = 16;

/** A stretch of the flat arrays that is updated alike. */
export interface DecayGroup {
  readonly begin: number;
  readonly end: number;
  readonly decays: boolean;
}

export class TrainingState {
  readonly values: Float32Array;
  readonly gradients: Float32Array;
  firstMoments: Float32Array;
  secondMoments: Float32Array;
  /** Every parameter is in exactly one group. */
  readonly groups: readonly [DecayGroup, DecayGroup];
  readonly parameters: readonly Parameter[];
  readonly #places = new Map<string, { readonly begin: number; readonly shape: readonly number[] }>();

  constructor(parameters: readonly Parameter[]) {
    this.parameters = parameters;
    let end = 0;
    const place = (members: readonly Parameter[]): number => {
      for (const { name, shape } of members) {
        this.#places.set(name, { begin: end, shape });
        end += Math.ceil(sizeOf(shape) / ALIGNMENT) * ALIGNMENT;
      }
      return end;
    };
    const border = place(parameters.filter(({ name }) => decays(name)));
    place(parameters.filter(({ name }) => !decays(name)));
    this.groups = [
      { begin: 0, end: border, decays: true },
      { begin: border, end, decays: false },
    ];
    this.values = new Float32Array(end);
    this.gradients = new Float32Array(end);
    this.firstMoments = new Float32Array(end);
    this.secondMoments = new Float32Array(end);
  }

  /**
   * Draws first values, of those parameters that `chosen` names. Each has a stream of its own, so that what else a
   * model has changes nothing.
   */
  initialize(seed: number, chosen: (name: string) => boolean = () => true): void {
    for (const { name, initializer } of this.parameters) {
      if (chosen(name))
        initializer(this.viewOf(this.values, name).data, new Random(seed, `initialize/${name}`));
    }
  }

  /**
   * Lets go of all moments but those of a slice: they become zeros that were never written, which take no memory. Views
   * of the moments from before are no longer theirs.
   */
  keepMoments({ begin, end }: { readonly begin: number; readonly end: number }): void {
    if (end - begin === this.values.length) return;
    const onlySlice = (moments: Float32Array): Float32Array => {
      const fresh = new Float32Array(moments.length);
      fresh.set(moments.subarray(begin, end), begin);
      return fresh;
    };
    this.firstMoments = onlySlice(this.firstMoments);
    this.secondMoments = onlySlice(this.secondMoments);
  }

  /** One parameter's part of an array laid out like the flat ones, in its shape, without a copy. */
  viewOf(flat: Float32Array, name: string): HostTensor<Float32Array> {
    const place = this.#places.get(name);
    if (place === undefined) {
      throw new BertramError('bad-graph', `training state: expected a parameter of the model, got ${name}`);
    }
    return { data: flat.subarray(place.begin, place.begin + sizeOf(place.shape)), shape: place.shape };
  }

  /** The values of all parameters as a checkpoint stores them, without copies. */
  valueTensors(): TensorToWrite[] {
    return this.parameters.map(({ name, shape }) => ({
      name,
      dtype: 'F32',
      shape,
      data: this.viewOf(this.values, name).data,
    }));
  }

  /** The values of all parameters, by name, without copies. */
  valueViews(): Record<string, HostTensor<Float32Array>> {
    return Object.fromEntries(this.parameters.map(({ name }) => [name, this.viewOf(this.values, name)]));
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
