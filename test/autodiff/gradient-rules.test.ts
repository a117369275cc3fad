/** Every gradient rule, in float64: the graph that it makes against finite differences. */
import { describe, expect, it } from 'vitest';
import { gradientRules } from '../../src/autodiff/gradient-rules.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { operationCases, operationNames } from '../reference/operation-cases.ts';
import { gradientErrors } from './gradient-check.ts';

/** Finite differences are good for about 1e-8 here; the graphs' own constants, such as 2/√π, are float32. */
const TOLERANCE = 2e-7;

it('knows a case of every operation', () => {
  expect([...operationNames].sort()).toEqual(Object.keys(gradientRules).sort());
  for (const name of operationNames) expect(operationCases[name].cases.length, name).toBeGreaterThan(0);
});

for (const name of operationNames.filter((operation) => operationCases[operation].gradient === 'flows')) {
  describe(`the gradient of ${name}`, () => {
    for (const operationCase of operationCases[name].cases) {
      it(operationCase.name, async () => {
        const errors = await gradientErrors(operationCase, evaluate);
        expect(errors.length).toBeGreaterThan(0);
        for (const { input, error } of errors)
          expect(error, `with respect to ${input}`).toBeLessThan(TOLERANCE);
      });
    }
  });
}
