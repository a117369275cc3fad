/** L-BFGS on a problem whose minimum scipy found (scripts/golden/classification.py), and on one with a closed form. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lbfgs, type ValueAndGradient } from '../../src/optim/index.ts';

const { convex_minimum: golden } = JSON.parse(
  readFileSync('test/golden/classification/golden.json', 'utf8'),
) as { convex_minimum: { a: number[][]; b: number[]; point: number[]; value: number } };

const dot = (a: readonly number[], b: ArrayLike<number>): number =>
  a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** log Σ exp(A x + b) + 0.05 ‖x‖² */
function logSumExp(x: Float64Array): Promise<ValueAndGradient> {
  const z = golden.a.map((row, i) => dot(row, x) + golden.b[i]!);
  const top = Math.max(...z);
  const weights = z.map((value) => Math.exp(value - top));
  const total = weights.reduce((a, b) => a + b);
  const gradient = Array.from(x, (value, j) =>
    golden.a.reduce((sum, row, i) => sum + (weights[i]! / total) * row[j]!, 0.1 * value),
  );
  return Promise.resolve({ value: top + Math.log(total) + 0.05 * dot([...x], x), gradient });
}

describe('a convex function of scales from 0.1 to 30', () => {
  it.each([1, 3, 10])('is led to scipy’s minimum with a history of %i', async (history) => {
    const { point, value, isConverged } = await lbfgs(logSumExp, [1, -1, 1, -1, 1], {
      history,
      tolerance: 1e-6,
    });
    expect(isConverged).toBe(true);
    expect(value).toBeCloseTo(golden.value, 9);
    golden.point.forEach((coordinate, i) => expect(point[i]).toBeCloseTo(coordinate, 4));
  });

  it('takes fewer iterations the more it remembers', async () => {
    const iterations = async (history: number): Promise<number> =>
      (await lbfgs(logSumExp, [1, -1, 1, -1, 1], { history, tolerance: 1e-6 })).iterations;
    expect(await iterations(10)).toBeLessThan(await iterations(1));
  });
});

describe('an ill-conditioned quadratic', () => {
  const curvatures = [1, 10, 100, 1000, 3, 30, 300];
  const quadratic = (x: Float64Array): Promise<ValueAndGradient> =>
    Promise.resolve({
      value: x.reduce((sum, value, i) => sum + (curvatures[i]! * (value - i) ** 2) / 2, 0),
      gradient: x.map((value, i) => curvatures[i]! * (value - i)),
    });

  it('is solved in about as many iterations as it has dimensions, where steepest descent takes thousands', async () => {
    const { point, iterations } = await lbfgs(quadratic, new Float64Array(7), { tolerance: 1e-9 });
    curvatures.forEach((_, i) => expect(point[i]).toBeCloseTo(i, 9));
    expect(iterations).toBeLessThan(40);
  });

  it('is left where iterations run out, and says so', async () => {
    const start = new Float64Array(7);
    const { iterations, isConverged, value } = await lbfgs(quadratic, start, { maxIterations: 3 });
    expect({ iterations, isConverged }).toEqual({ iterations: 3, isConverged: false });
    expect(value).toBeLessThan((await quadratic(start)).value);
    expect([...start]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('is not walked on where it is flat already', async () => {
    const { iterations, isConverged } = await lbfgs(quadratic, [0, 1, 2, 3, 4, 5, 6]);
    expect({ iterations, isConverged }).toEqual({ iterations: 0, isConverged: true });
  });
});

it('ends, unconverged, where a function and its gradient do not fit together', async () => {
  const uphill = (x: Float64Array): Promise<ValueAndGradient> =>
    Promise.resolve({ value: x[0]! ** 2, gradient: [-2 * x[0]!] });
  const { isConverged, point } = await lbfgs(uphill, [1]);
  expect(isConverged).toBe(false);
  expect([...point]).toEqual([1]);
});
