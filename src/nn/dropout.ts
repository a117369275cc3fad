/**
 * Dropout whose masks come from outside the graph: each use declares a mask input, which a trainer feeds with bytes
 * drawn from (seed, step, site), so that a resumed run draws the same masks.
 */
import { dropout, input, softmaxDropout, type Shape, type Tensor } from '../graph/index.ts';

/** One use of dropout in a model. */
export interface DropoutSite {
  /** The graph input that takes its mask: uint8, 1 keeps and 0 drops. */
  readonly name: string;
  readonly shape: Shape;
  readonly rate: number;
}

/** Applies dropout and remembers where. One that is not training passes everything on unchanged. */
export class Dropout {
  readonly sites: DropoutSite[] = [];
  readonly training: boolean;

  constructor({ training }: { training: boolean }) {
    this.training = training;
  }

  /** Whether dropout at this rate changes anything. */
  isActive(rate: number): boolean {
    return this.training && rate > 0;
  }

  apply(x: Tensor, rate: number): Tensor {
    return this.isActive(rate) ? dropout(x, this.#mask(x.shape, rate), rate) : x;
  }

  /** Of a softmax over the last axis. The rate must be active. */
  applyToSoftmax(x: Tensor, rate: number): Tensor {
    return softmaxDropout(x, this.#mask(x.shape, rate), rate);
  }

  #mask(shape: Shape, rate: number): Tensor {
    const name = `dropout.${this.sites.length}`;
    this.sites.push({ name, shape, rate });
    return input(name, 'uint8', shape);
  }
}
