/**
 * L-BFGS (Nocedal, 1980; the two loops are algorithm 7.4 of Nocedal and Wright, "Numerical optimization", 2006), with the
 * bisection line search for the weak Wolfe conditions of Lewis and Overton (2013).
 *
 * For smooth problems that fit one batch, such as logistic regression. Function and gradient come from whoever calls;
 * what is done here is a few products of vectors an iteration, in double precision.
 */

/** A function's value and gradient at a point. */
export interface ValueAndGradient {
  readonly value: number;
  /** [n] */
  readonly gradient: ArrayLike<number>;
}

export interface LbfgsOptions {
  /** Pairs of steps and changes of the gradient that are remembered. Default 10. */
  readonly history?: number;
  /** Default 1000. */
  readonly maxIterations?: number;
  /** Ends when no component of the gradient is larger. Default 1e-4, as in scikit-learn. */
  readonly tolerance?: number;
}

export interface LbfgsResult {
  /** [n] */
  readonly point: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** False when iterations ran out, or rounding left no step downhill, before the tolerance was reached. */
  readonly isConverged: boolean;
}

/** Sufficient decrease, and curvature. */
const WOLFE = { decrease: 1e-4, curvature: 0.9 } as const;
/** Halvings and doublings of one line search; 30 are as good as none. */
const MAX_TRIALS = 30;

interface Place {
  readonly point: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
}

/** A step s, the change of the gradient y over it, and 1 / (s · y). */
interface Correction {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly scale: number;
}

/** @param start [n] where the search begins; it is left as it is */
export async function lbfgs(
  evaluate: (point: Float64Array) => Promise<ValueAndGradient>,
  start: ArrayLike<number>,
  { history = 10, maxIterations = 1000, tolerance = 1e-4 }: LbfgsOptions = {},
): Promise<LbfgsResult> {
  const at = async (point: Float64Array): Promise<Place> => {
    const { value, gradient } = await evaluate(point);
    return { point, value, gradient: Float64Array.from(gradient) };
  };
  const isFlat = ({ gradient }: Place): boolean => gradient.every((slope) => Math.abs(slope) <= tolerance);

  let here = await at(Float64Array.from(start));
  const corrections: Correction[] = [];
  let iterations = 0;
  for (; iterations < maxIterations && !isFlat(here); iterations++) {
    const direction = descentDirection(here.gradient, corrections);
    const next = await lineSearch(at, here, direction, iterations === 0);
    if (next === undefined) break;
    const step = difference(next.point, here.point);
    const change = difference(next.gradient, here.gradient);
    corrections.push({ step, change, scale: 1 / dot(step, change) });
    if (corrections.length > history) corrections.shift();
    here = next;
  }
  return { point: here.point, value: here.value, iterations, isConverged: isFlat(here) };
}

/** -H g, with H the inverse Hessian that the corrections add up to. */
function descentDirection(gradient: Float64Array, corrections: readonly Correction[]): Float64Array {
  const direction = gradient.map((slope) => -slope);
  const weights: number[] = [];
  for (const { step, change, scale } of corrections.toReversed()) {
    const weight = scale * dot(step, direction);
    addScaled(direction, change, -weight);
    weights.push(weight);
  }
  const last = corrections.at(-1);
  if (last !== undefined) {
    // The size of the inverse Hessian along the newest step.
    const size = 1 / (last.scale * dot(last.change, last.change));
    direction.forEach((value, i) => (direction[i] = value * size));
  }
  for (const { step, change, scale } of corrections) {
    const weight = weights.pop()! - scale * dot(change, direction);
    addScaled(direction, step, weight);
  }
  return direction;
}

/**
 * A place along the direction that is lower by enough, and where the slope is less steep, so that s · y > 0. Undefined
 * when there is none that rounding can tell from here.
 */
async function lineSearch(
  at: (point: Float64Array) => Promise<Place>,
  here: Place,
  direction: Float64Array,
  isFirst: boolean,
): Promise<Place | undefined> {
  const slope = dot(here.gradient, direction);
  if (!(slope < 0)) return undefined;
  // Nothing is known of the problem's scale at first: a step of length 1 at most.
  let length = isFirst ? Math.min(1, 1 / Math.sqrt(-slope)) : 1;
  let tooShort = 0;
  let tooLong = Infinity;
  for (let trial = 0; trial < MAX_TRIALS; trial++) {
    const point = Float64Array.from(here.point);
    addScaled(point, direction, length);
    const there = await at(point);
    if (!(there.value <= here.value + WOLFE.decrease * length * slope)) tooLong = length;
    else if (dot(there.gradient, direction) < WOLFE.curvature * slope) tooShort = length;
    else return there;
    length = tooLong < Infinity ? (tooShort + tooLong) / 2 : 2 * tooShort;
  }
  return undefined;
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}

/** target += factor * vector */
function addScaled(target: Float64Array, vector: Float64Array, factor: number): void {
  vector.forEach((value, i) => (target[i]! += factor * value));
}
