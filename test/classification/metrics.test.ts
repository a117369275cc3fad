/** Scores as scikit-learn computes them, with a class that is never predicted and one that is never true. */
import { expect, it } from 'vitest';
import { classificationMetrics } from '../../src/classification/index.ts';
import { golden } from './golden.ts';

it('equals scikit-learn', () => {
  const { scores } = golden;
  const labels = ['a', 'b', 'c', 'd'];
  const metrics = classificationMetrics(labels, scores.truth, scores.predictions);
  expect(metrics.examples).toBe(41);
  expect(metrics.accuracy).toBeCloseTo(scores.accuracy, 12);
  expect(metrics.macro_f1).toBeCloseTo(scores.macro_f1, 12);
  expect(metrics.confusion_matrix).toEqual(scores.confusion_matrix);
  metrics.per_class.forEach(({ label, precision, recall, f1, support }, i) => {
    expect(label).toBe(labels[i]);
    expect(precision).toBeCloseTo(scores.precision[i]!, 12);
    expect(recall).toBeCloseTo(scores.recall[i]!, 12);
    expect(f1).toBeCloseTo(scores.f1[i]!, 12);
    expect(support).toBe(scores.support[i]);
  });
  expect(scores.recall[2]).toBe(0);
  expect(scores.precision[3]).toBe(0);
});
