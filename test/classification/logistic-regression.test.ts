/** Logistic regression at the optimum that scikit-learn finds, for the same C. */
import { describe, expect, it } from 'vitest';
import { fitLogisticRegression, type LinearClassifier } from '../../src/classification/index.ts';
import { golden } from './golden.ts';

const ROWS = 23;
const WIDTH = 7;

function probabilitiesOf({ weight, bias }: LinearClassifier, row: readonly number[]): number[] {
  const exponentials = Array.from(bias, (start, label) =>
    Math.exp(row.reduce((sum, x, i) => sum + x * weight[label * WIDTH + i]!, start)),
  );
  const total = exponentials.reduce((a, b) => a + b);
  return exponentials.map((value) => value / total);
}

describe.each(golden.logistic_regression)(
  '$classes classes, C = $C',
  ({ classes, C, features, labels, probabilities }) => {
    it('has scikit-learn’s probabilities', async () => {
      const matrix = { features: Float32Array.from(features), labels: Int32Array.from(labels) };
      const fitted = await fitLogisticRegression(matrix, classes, {
        inverseRegularization: C,
        tolerance: 3e-6,
        threads: 1,
      });
      for (let row = 0; row < ROWS; row++) {
        const got = probabilitiesOf(fitted, features.slice(row * WIDTH, (row + 1) * WIDTH));
        got.forEach((value, label) => expect(value).toBeCloseTo(probabilities[row]![label]!, 3));
      }
    });
  },
);

describe('what is wrong is refused', () => {
  const matrix = { features: new Float32Array(6), labels: Int32Array.of(0, 1) };
  it.each<[string, () => Promise<unknown>, string]>([
    [
      'one class',
      () => fitLogisticRegression(matrix, 1),
      'logistic regression: expected two or more classes, got 1',
    ],
    [
      'no examples',
      () => fitLogisticRegression({ features: new Float32Array(), labels: new Int32Array() }, 2),
      'logistic regression: expected examples, got none',
    ],
    [
      'a penalty that is infinite',
      () => fitLogisticRegression(matrix, 2, { inverseRegularization: 0 }),
      'inverse_regularization: expected a number above 0, got 0',
    ],
  ])('%s', async (_, attempt, message) => {
    await expect(attempt()).rejects.toThrow(message);
  });
});
