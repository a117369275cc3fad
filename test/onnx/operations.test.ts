/** Every operation as the engine computes it, in float32, against its definition in float64. */
import { describe, expect, it } from 'vitest';
import type { OpName } from '../../src/graph/index.ts';
import { relativeError, runOnEngine } from '../reference/engine-run.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { operationCases, operationNames, prepare } from '../reference/operation-cases.ts';

/** What float32 arithmetic may be off by, as a part of the largest number of the result. 0 where nothing is rounded. */
const TOLERANCES: { readonly [Name in OpName]: number } = {
  input: 0,
  constant: 0,
  add: 1e-7,
  subtract: 1e-7,
  multiply: 1e-7,
  divide: 1e-7,
  negate: 0,
  exp: 3e-7,
  sqrt: 1e-7,
  erf: 3e-7,
  tanh: 3e-7,
  relu: 0,
  gelu: 3e-7,
  geluDerivative: 1e-6,
  equal: 0,
  greater: 0,
  cast: 0,
  matmul: 1e-6,
  linear: 1e-6,
  linearInputGradient: 1e-6,
  linearWeightGradient: 1e-6,
  reshape: 0,
  transpose: 0,
  broadcastTo: 0,
  slice: 1e-7,
  pad: 0,
  sum: 1e-6,
  softmax: 1e-6,
  logSoftmax: 1e-6,
  softmaxCrossEntropy: 1e-6,
  softmaxCrossEntropyGradient: 1e-6,
  argMax: 0,
  layerNorm: 2e-6,
  gather: 0,
  scatterAdd: 1e-6,
  oneHot: 0,
  dropout: 2e-7,
  softmaxDropout: 1e-6,
  attention: 2e-6,
  after: 0,
};

for (const name of operationNames) {
  describe(name, () => {
    for (const operationCase of operationCases[name].cases) {
      it(operationCase.name, async () => {
        const { results, feeds } = prepare(operationCase);
        const got = await runOnEngine(
          Object.fromEntries(results.map((result, i) => [`y${i}`, result])),
          feeds,
        );
        evaluate(results, feeds).forEach((expected, i) => {
          expect(relativeError(got[`y${i}`]!, expected), `result ${i}`).toBeLessThanOrEqual(TOLERANCES[name]);
        });
      });
    }
  });
}
