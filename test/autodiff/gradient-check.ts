/**
 * Gradients checked by random projection against central finite differences, as in JAX's `public_test_util.py`.
 *
 * The result y of an operation is projected to a loss Σ w y by random weights w, and each input is moved along a random
 * direction u: (loss(x + h u) - loss(x - h u)) / 2h has to be Σ u dloss/dx. The differences are taken in float64, by the
 * reference evaluator, so that only h² and 1e-16 / h limit them; the gradients come from whoever is checked.
 */
import { gradientRules, type GradientRule } from '../../src/autodiff/gradient-rules.ts';
import { gradient } from '../../src/autodiff/index.ts';
import {
  evaluateDim,
  input,
  multiply,
  sameShape,
  sum,
  type OpName,
  type Tensor,
} from '../../src/graph/index.ts';
import { sizeOf, type DenseArray } from '../reference/dense-array.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { drawNormal, LETTERS, prepare, type OperationCase } from '../reference/operation-cases.ts';

const STEP = 1e-4;
const DIRECTIONS = 2;

export type Feeds = Readonly<Record<string, DenseArray>>;
/** Computes tensors: the reference evaluator, or the engine. */
export type Computation = (
  tensors: readonly Tensor[],
  feeds: Feeds,
) => readonly DenseArray[] | Promise<DenseArray[]>;

export interface GradientError {
  readonly input: string;
  /** How far the projected gradient is from the finite difference, as a part of its size. */
  readonly error: number;
}

/** The loss of a case and what it is differentiated by. */
export function projectedLoss(operationCase: OperationCase): {
  loss: Tensor;
  feeds: Feeds;
  wrt: readonly (readonly [name: string, tensor: Tensor])[];
} {
  const { inputs, results, feeds } = prepare(operationCase);
  const y = results[0]!;
  const sizes = y.shape.map((dim) => evaluateDim(dim, LETTERS));
  const loss = sum(multiply(y, input('projection', 'float32', y.shape)));
  return {
    loss,
    feeds: { ...feeds, projection: drawNormal(sizes, 2) },
    wrt: Object.entries(inputs).filter(([, { dtype }]) => dtype === 'float32'),
  };
}

/** The largest error for each float32 input of a case. */
export async function gradientErrors(
  operationCase: OperationCase,
  compute: Computation,
): Promise<GradientError[]> {
  const { loss, feeds, wrt } = projectedLoss(operationCase);
  const tensors = wrt.map(([, tensor]) => tensor);
  const gradients = gradient(loss, tensors);
  // The loss comes along because a gradient alone may not hold the inputs that bind its letters.
  const [, ...values] = await compute([loss, ...gradients], feeds);
  const probes = probesOf(operationCase);
  return wrt.map(([name], i) => {
    if (!sameShape(gradients[i]!.shape, tensors[i]!.shape)) return { input: name, error: Infinity };
    const errors = probes
      .get(name)!
      .map(({ direction, difference }) => projectionError(values[i]!, direction, difference));
    return { input: name, error: Math.max(...errors) };
  });
}

/** A direction to move an input in, and how fast the loss then changes. */
interface Probe {
  readonly direction: DenseArray;
  readonly difference: number;
}

/** The finite differences of a case for each input: they do not depend on the rules, so each case needs them once. */
const knownProbes = new WeakMap<OperationCase, ReadonlyMap<string, readonly Probe[]>>();

function probesOf(operationCase: OperationCase): ReadonlyMap<string, readonly Probe[]> {
  let probes = knownProbes.get(operationCase);
  if (probes === undefined) {
    const { loss, feeds, wrt } = projectedLoss(operationCase);
    const probe = (name: string, seed: number): Probe => {
      const direction = drawNormal(feeds[name]!.shape, 10 + seed);
      return { direction, difference: differenceAlong(loss, feeds, name, direction) };
    };
    probes = new Map(
      wrt.map(([name]) => [name, Array.from({ length: DIRECTIONS }, (_, seed) => probe(name, seed))]),
    );
    knownProbes.set(operationCase, probes);
  }
  return probes;
}

function differenceAlong(loss: Tensor, feeds: Feeds, name: string, direction: DenseArray): number {
  const lossAt = (step: number): number => {
    const moved = feeds[name]!.data.map((value, i) => value + step * direction.data[i]!);
    return evaluate([loss], { ...feeds, [name]: { shape: direction.shape, data: moved } })[0]!.data[0]!;
  };
  return (lossAt(STEP) - lossAt(-STEP)) / (2 * STEP);
}

/**
 * The error is relative to √Σ (g u)², the size that Σ g u has on average, and not to Σ g u itself, which may be near 0 by
 * chance.
 */
function projectionError(gradientValue: DenseArray, direction: DenseArray, difference: number): number {
  if (sizeOf(gradientValue.shape) !== direction.data.length) return Infinity;
  let projected = 0;
  let squares = 0;
  gradientValue.data.forEach((value, i) => {
    const part = value * direction.data[i]!;
    projected += part;
    squares += part * part;
  });
  const error = Math.abs(projected - difference) / Math.max(Math.sqrt(squares), Math.abs(difference), 1e-30);
  return Number.isNaN(error) ? Infinity : error;
}

/** Runs a check while one gradient rule is replaced. */
export async function withGradientRule<T>(
  name: OpName,
  rule: GradientRule,
  check: () => Promise<T>,
): Promise<T> {
  const rules = gradientRules as unknown as Record<OpName, GradientRule>;
  const original = rules[name];
  rules[name] = rule;
  try {
    return await check();
  } finally {
    rules[name] = original;
  }
}
