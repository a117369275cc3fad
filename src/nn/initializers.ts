/** How parameters begin. */
import type { Random } from '../support/random.ts';

/** Writes the first values of a parameter. */
export type Initializer = (values: Float32Array, random: Random) => void;

export const zeros: Initializer = (values) => void values.fill(0);
export const ones: Initializer = (values) => void values.fill(1);

/** Normal with mean 0, redrawn beyond two deviations, as in google-research/bert (`create_initializer`). */
export function truncatedNormal(deviation: number): Initializer {
  return (values, random) => {
    for (let i = 0; i < values.length; i++) {
      let draw = random.nextNormal();
      while (Math.abs(draw) > 2) draw = random.nextNormal();
      values[i] = draw * deviation;
    }
  };
}
