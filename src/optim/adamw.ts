/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in the two forms BERT's history has.
 *
 * PyTorch's, which fine-tuning uses, corrects the bias of the moments; Google's, which pretrained BERT
 * (google-research/bert `optimization.py`), does not. They differ in two numbers a step and are one graph here.
 */
import { add, divide, input, multiply, scoped, sqrt, subtract, type Tensor } from '../graph/index.ts';

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly biasCorrection: boolean;
}

/** `run_qa.py`'s defaults (PyTorch's AdamW as transformers calls it). */
export const fineTuningAdamW: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  biasCorrection: true,
};

/** google-research/bert's `AdamWeightDecayOptimizer`. */
export const pretrainingAdamW: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-6,
  weightDecay: 0.01,
  biasCorrection: false,
};

/** The numbers that change from step to step, fed as float32 scalars. */
export interface AdamWScalars {
  /** Multiplies the gradient: clipping, and the mean over accumulated batches. */
  readonly gradient_scale: number;
  /** The learning rate over the first moment's bias correction. */
  readonly step_size: number;
  /** One over the square root of the second moment's bias correction. */
  readonly second_moment_scale: number;
  /** 1 minus learning rate times weight decay. */
  readonly shrinkage: number;
}

/** @param step the number of this update, from 1 */
export function adamWScalars(
  options: AdamWOptions,
  step: number,
  learningRate: number,
  gradientScale: number,
  decays: boolean,
): AdamWScalars {
  const { beta1, beta2, weightDecay, biasCorrection } = options;
  return {
    gradient_scale: gradientScale,
    step_size: biasCorrection ? learningRate / (1 - beta1 ** step) : learningRate,
    second_moment_scale: biasCorrection ? 1 / Math.sqrt(1 - beta2 ** step) : 1,
    shrinkage: decays ? 1 - learningRate * weightDecay : 1,
  };
}

export interface AdamWUpdate {
  readonly next_parameter: Tensor;
  readonly next_first_moment: Tensor;
  readonly next_second_moment: Tensor;
}

/**
 * One update of any run of n numbers, as a graph over `parameter`, `gradient` and the two moments. Everything is
 * elementwise and each old value is read once, before its new one is written, so results may overwrite inputs.
 *
 * m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  p ← (1 - η λ) p - η' m / (√v c + ε)
 */
export function adamWUpdate({ beta1, beta2, epsilon }: AdamWOptions): AdamWUpdate {
  return scoped('adamw', () => {
    const vector = (name: string): Tensor => input(name, 'float32', ['n']);
    const number = (name: keyof AdamWScalars): Tensor => input(name, 'float32', []);
    const gradient = multiply(vector('gradient'), number('gradient_scale'));
    const firstMoment = add(multiply(vector('first_moment'), beta1), multiply(gradient, 1 - beta1));
    const squared = multiply(multiply(gradient, gradient), 1 - beta2);
    const secondMoment = add(multiply(vector('second_moment'), beta2), squared);
    const deviation = add(multiply(sqrt(secondMoment), number('second_moment_scale')), epsilon);
    const change = divide(multiply(firstMoment, number('step_size')), deviation);
    return {
      next_parameter: subtract(multiply(vector('parameter'), number('shrinkage')), change),
      next_first_moment: firstMoment,
      next_second_moment: secondMoment,
    };
  });
}

/** Whether weight decay applies: to all but biases and the parameters of LayerNorm. */
export function decays(parameterName: string): boolean {
  return !/(^|\.)(bias|LayerNorm\.\w+)$/.test(parameterName);
}
