/**
 * Dropout whose masks come from outside the graph: each use declares a mask input, which a trainer feeds with bytes
 * drawn from (seed, step, site), so that a resumed run draws the same masks.
 */
import { dropout, input, type Shape, type Tensor } from '../graph/index.ts';

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
    if (!this.isActive(rate)) return x;
    const site = { name: `dropout.${this.sites.length}`, shape: x.shape, rate };
    this.sites.push(site);
    return dropout(x, input(site.name, 'uint8', x.shape), rate);
  }
}
