/**
 * Every gradient as the engine computes it: against finite differences, and number by number against the same graph in
 * float64. The first finds wrong rules, the second what a rule lowers to, where a mistake in one place might not show in
 * a projection.
 */
import { describe, expect, it } from 'vitest';
import { gradientRules, type GradientRule } from '../../src/autodiff/gradient-rules.ts';
import { gradient } from '../../src/autodiff/index.ts';
import { multiply, type OpName } from '../../src/graph/index.ts';
import { relativeError, runOnEngine } from '../reference/engine-run.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { operationCases, operationNames } from '../reference/operation-cases.ts';
import { gradientErrors, projectedLoss, withGradientRule, type Computation } from './gradient-check.ts';

/** What float32 may be off by, of any one gradient and of its projection. */
const TOLERANCE = 2e-6;
/** The exceptions, with their reasons. */
const TOLERANCES: Partial<Record<OpName, number>> = {};
const toleranceOf = (name: OpName): number => TOLERANCES[name] ?? TOLERANCE;

const onEngine: Computation = async (tensors, feeds) => {
  const results = await runOnEngine(Object.fromEntries(tensors.map((tensor, i) => [`y${i}`, tensor])), feeds);
  return tensors.map((_, i) => results[`y${i}`]!);
};

const names = operationNames.filter((name) => operationCases[name].gradient === 'flows');

for (const name of names) {
  describe(`the gradient of ${name}`, () => {
    for (const operationCase of operationCases[name].cases) {
      it(operationCase.name, async () => {
        for (const { input, error } of await gradientErrors(operationCase, onEngine)) {
          expect(error, `projected with respect to ${input}`).toBeLessThan(toleranceOf(name));
        }
        const { loss, feeds, wrt } = projectedLoss(operationCase);
        const tensors = [loss, ...gradient(loss, wrt.map(([, tensor]) => tensor))]; // prettier-ignore
        const got = await onEngine(tensors, feeds);
        evaluate(tensors, feeds)
          .slice(1)
          .forEach((expected, i) => {
            const error = relativeError(got[i + 1]!, expected);
            expect(error, `with respect to ${wrt[i]![0]}`).toBeLessThan(toleranceOf(name));
          });
      });
    }
  });
}

describe('a gradient that is one per cent too large is noticed in float32 too', () => {
  it.each(names.filter((name) => name !== 'input'))('in %s', async (name) => {
    const original = gradientRules[name] as GradientRule;
    const mutant: GradientRule = (node, g) => original(node, g).map((part) => part && multiply(part, 1.01));
    const errors = await withGradientRule(name, mutant, () =>
      gradientErrors(operationCases[name].cases[0]!, onEngine),
    );
    for (const { input, error } of errors) expect(error, input).toBeGreaterThan(10 * toleranceOf(name));
  });
});
