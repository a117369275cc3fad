/**
 * Multinomial logistic regression with an L2 penalty: loss and gradient are one compiled program over the whole batch,
 * and L-BFGS finds the minimum, which is unique.
 *
 * The objective is that of scikit-learn's `LogisticRegression`: the mean cross entropy plus ‖W‖² / (2 C n) for n examples,
 * biases free. Two classes are, there, one vector w of weights instead of a row for each class. At the optimum the rows
 * are w / 2 and -w / 2, and ‖W‖² is half of ‖w‖²; so for two classes the penalty here counts twice.
 */
import { gradient } from '../autodiff/index.ts';
import { add, input, linear, multiply, sum } from '../graph/index.ts';
import { crossEntropy } from '../nn/index.ts';
import { lbfgs, type LbfgsOptions } from '../optim/index.ts';
import { compile } from '../runtime/index.ts';
import { badInput } from '../support/errors.ts';

/** n examples of H features each, with a class each. */
export interface FeatureMatrix {
  /** [n, H] row by row */
  readonly features: Float32Array;
  /** [n], from 0 */
  readonly labels: Int32Array;
}

export interface LogisticRegressionOptions extends LbfgsOptions {
  /** How weak the penalty is: scikit-learn's C. Default 1. */
  readonly inverseRegularization?: number;
  /** Of the engine; one a core unless told. */
  readonly threads?: number;
}

/** Logits are features Wᵀ + b. */
export interface LinearClassifier {
  /** [C, H] */
  readonly weight: Float32Array;
  /** [C] */
  readonly bias: Float32Array;
}

export interface FittedClassifier extends LinearClassifier {
  /** The objective's value. */
  readonly loss: number;
  readonly iterations: number;
  readonly isConverged: boolean;
}

/**
 * @throws BertramError `bad-input` for fewer than two classes, no examples, or a penalty that is none
 */
export async function fitLogisticRegression(
  { features, labels }: FeatureMatrix,
  classes: number,
  { inverseRegularization = 1, threads, ...search }: LogisticRegressionOptions = {},
): Promise<FittedClassifier> {
  const count = labels.length;
  if (count === 0) badInput('logistic regression', 'examples', 'none');
  if (classes < 2) badInput('logistic regression', 'two or more classes', String(classes));
  if (!(inverseRegularization > 0))
    badInput('inverse_regularization', 'a number above 0', String(inverseRegularization));
  const width = features.length / count;
  const penalty = (classes === 2 ? 2 : 1) / (2 * inverseRegularization * count);

  const weight = input('weight', 'float32', [classes, width]);
  const bias = input('bias', 'float32', [classes]);
  const logits = linear(input('features', 'float32', ['n', width]), weight, bias); // [n, C]
  const fit = crossEntropy(logits, input('labels', 'int32', ['n']));
  const loss = add(fit, multiply(sum(multiply(weight, weight)), penalty));
  const [weightGradient, biasGradient] = gradient(loss, [weight, bias]) as [typeof weight, typeof bias];
  const program = await compile(
    { loss, weightGradient, biasGradient },
    threads === undefined ? {} : { threads },
  );

  const examples = {
    features: { data: features, shape: [count, width] },
    labels: { data: labels, shape: [count] },
  };
  /** Weights and biases are one point: [C H + C]. */
  const border = classes * width;
  const split = (point: Float32Array): LinearClassifier => ({
    weight: point.subarray(0, border),
    bias: point.subarray(border),
  });
  try {
    const { point, value, iterations, isConverged } = await lbfgs(
      async (point) => {
        const at = split(Float32Array.from(point));
        const results = await program.run({
          ...examples,
          weight: { data: at.weight, shape: [classes, width] },
          bias: { data: at.bias, shape: [classes] },
        });
        const slopes = new Float64Array(point.length);
        slopes.set(results.weightGradient.data as Float32Array);
        slopes.set(results.biasGradient.data as Float32Array, border);
        return { value: Number(results.loss.data[0]), gradient: slopes };
      },
      new Float64Array(border + classes),
      search,
    );
    return { ...split(Float32Array.from(point)), loss: value, iterations, isConverged };
  } finally {
    await program.release();
  }
}
