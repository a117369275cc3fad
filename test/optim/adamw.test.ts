/** Both forms of AdamW against their sources, and that check against rules that are wrong in the usual ways. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  adamWScalars,
  adamWUpdate,
  clippingFactor,
  decays,
  fineTuningAdamW,
  pretrainingAdamW,
  sumOfSquares,
  type AdamWOptions,
} from '../../src/optim/index.ts';
import { compile, type HostTensor, type Program } from '../../src/runtime/index.ts';
import { golden, relativeError, type GoldenRun, type Pair } from './golden.ts';

const NAMES = ['weight', 'bias'] as const;
type Name = (typeof NAMES)[number];
type Moments = Record<Name, { values: Float32Array; first: Float32Array; second: Float32Array }>;

const vector = (data: Float32Array): HostTensor => ({ data, shape: [data.length] });
const scalar = (value: number): HostTensor => ({ data: Float32Array.of(value), shape: [] });
const floats = (pair: Pair, name: Name): Float32Array => Float32Array.from(pair[name]);

function optionsOf(run: GoldenRun, biasCorrection: boolean): AdamWOptions {
  const { beta1, beta2, epsilon, weight_decay: weightDecay } = run;
  return { beta1, beta2, epsilon, weightDecay, biasCorrection };
}

/** The largest error over all steps and arrays of what updates the two parameters. */
async function errorOf(
  run: GoldenRun,
  update: (step: number, name: Name, at: Moments[Name], gradient: Float32Array) => Promise<void> | void,
): Promise<number> {
  const state = Object.fromEntries(
    NAMES.map((name) => {
      const values = floats(golden.start, name);
      return [
        name,
        { values, first: new Float32Array(values.length), second: new Float32Array(values.length) },
      ];
    }),
  ) as Moments;
  let worst = 0;
  for (const [step, expected] of run.steps.entries()) {
    for (const name of NAMES) {
      const at = state[name];
      await update(step, name, at, floats(golden.gradients[step]!, name));
      worst = Math.max(
        worst,
        relativeError(at.values, expected.values[name]),
        relativeError(at.first, expected.exp_avg[name]),
        relativeError(at.second, expected.exp_avg_sq[name]),
      );
    }
  }
  return worst;
}

/** Rounding of float32 over a few steps. */
const TOLERANCE = 2e-6;

describe('the AdamW graph', () => {
  let square: Program<'square'>;
  beforeAll(async () => {
    square = await compile({ square: sumOfSquares() }, { threads: 1 });
  });
  afterAll(() => square.release());

  async function normOf(pair: Pair): Promise<number> {
    let total = 0;
    for (const name of NAMES) {
      const result = await square.run({ gradient: vector(floats(pair, name)) });
      total += Number(result.square.data[0]);
    }
    return Math.sqrt(total);
  }

  it.each([
    { of: "PyTorch's, gradients clipped", run: golden.pytorch, biasCorrection: true },
    { of: "Google's", run: golden.google, biasCorrection: false },
  ])('equals $of, over several steps, results written over their inputs', async ({ run, biasCorrection }) => {
    const options = optionsOf(run, biasCorrection);
    const program = await compile({ ...adamWUpdate(options) }, { threads: 1 });
    const error = await errorOf(run, async (step, name, { values, first, second }, gradient) => {
      const norm = await normOf(golden.gradients[step]!);
      expect(norm).toBeCloseTo(run.steps[step]!.norm, 4);
      const rate = golden.learning_rates[step]!;
      const numbers = adamWScalars(
        options,
        step + 1,
        rate,
        clippingFactor(norm, run.clip),
        name === 'weight',
      );
      const fed = Object.fromEntries(
        Object.entries(numbers).map(([key, value]) => [key, scalar(value as number)]),
      );
      const [parameter, first_moment, second_moment] = [values, first, second].map(vector) as [
        HostTensor,
        HostTensor,
        HostTensor,
      ];
      await program.run(
        { ...fed, parameter, first_moment, second_moment, gradient: vector(gradient) },
        { next_parameter: parameter, next_first_moment: first_moment, next_second_moment: second_moment },
      );
    });
    await program.release();
    expect(error).toBeLessThan(TOLERANCE);
  });
});

describe('the golden numbers', () => {
  /** The rule in plain arithmetic, which each mutant below changes in one place. */
  const rule = {
    beta1: 0.9,
    beta2: 0.999,
    epsilonInsideRoot: false,
    /** Decay added to the gradient, as in Adam before AdamW. */
    coupled: false,
    decaysBias: false,
    /** Decay not scaled by the learning rate. */
    unscaledDecay: false,
    clip: true,
    clipEach: false,
    correctsFirst: true,
    correctsSecond: true,
    /** What the first step is numbered. */
    from: 1,
  };

  const plain =
    (run: GoldenRun, changed: Partial<typeof rule>) =>
    (step: number, name: Name, at: Moments[Name], gradient: Float32Array): void => {
      const is = { ...rule, ...changed };
      const rate = golden.learning_rates[step]!;
      const ownNorm = Math.hypot(...gradient);
      const norm = is.clipEach ? ownNorm : run.steps[step]!.norm;
      const scale = is.clip && run.clip > 0 ? Math.min(1, run.clip / (norm + 1e-6)) : 1;
      const decay = name === 'weight' || is.decaysBias ? run.weight_decay : 0;
      const number = step + is.from;
      for (let i = 0; i < gradient.length; i++) {
        const g = gradient[i]! * scale + (is.coupled ? decay * at.values[i]! : 0);
        at.first[i] = is.beta1 * at.first[i]! + (1 - is.beta1) * g;
        at.second[i] = is.beta2 * at.second[i]! + (1 - is.beta2) * g * g;
        const mean = at.first[i]! / (is.correctsFirst ? 1 - is.beta1 ** number : 1);
        const variance = at.second[i]! / (is.correctsSecond ? 1 - is.beta2 ** number : 1);
        const root = is.epsilonInsideRoot
          ? Math.sqrt(variance + run.epsilon)
          : Math.sqrt(variance) + run.epsilon;
        const shrunk = is.coupled ? 0 : decay * at.values[i]! * (is.unscaledDecay ? 1 : rate);
        at.values[i] = at.values[i]! - shrunk - (rate * mean) / root;
      }
    };

  it('follow from the rule', async () => {
    expect(await errorOf(golden.pytorch, plain(golden.pytorch, {}))).toBeLessThan(TOLERANCE);
    const google = { correctsFirst: false, correctsSecond: false };
    expect(await errorOf(golden.google, plain(golden.google, google))).toBeLessThan(TOLERANCE);
  });

  it.each<[string, Partial<typeof rule>]>([
    ['another beta 1', { beta1: 0.91 }],
    ['another beta 2', { beta2: 0.9991 }],
    ['epsilon inside the root', { epsilonInsideRoot: true }],
    ['decay as a part of the gradient', { coupled: true }],
    ['decay of biases', { decaysBias: true }],
    ['decay whatever the learning rate', { unscaledDecay: true }],
    ['no clipping', { clip: false }],
    ['clipping each parameter by itself', { clipEach: true }],
    ['no correction of the first moment', { correctsFirst: false }],
    ['no correction of the second moment', { correctsSecond: false }],
    ['steps counted from 2', { from: 2 }],
  ])('tell %s from it', async (_, changed) => {
    expect(await errorOf(golden.pytorch, plain(golden.pytorch, changed))).toBeGreaterThan(1000 * TOLERANCE);
  });
});

describe('the options', () => {
  it('are those of the reference programs', () => {
    // torch.optim.AdamW as transformers' TrainingArguments call it; AdamWeightDecayOptimizer in optimization.py.
    expect(fineTuningAdamW).toEqual({
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
      biasCorrection: true,
    });
    expect(pretrainingAdamW).toEqual({
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-6,
      weightDecay: 0.01,
      biasCorrection: false,
    });
  });
});

describe('clippingFactor', () => {
  it('leaves small gradients and limit 0 alone', () => {
    expect(clippingFactor(0.5, 1)).toBe(1);
    expect(clippingFactor(0, 1)).toBe(1);
    expect(clippingFactor(1e9, 0)).toBe(1);
  });

  it('brings large ones down to the limit, and lets no NaN through as a number', () => {
    expect(clippingFactor(8, 2)).toBeCloseTo(0.25, 6);
    expect(clippingFactor(NaN, 2)).toBeNaN();
  });
});

describe('decays', () => {
  it("is transformers' rule for every parameter of BERT", () => {
    const names = Object.keys(golden.decays);
    expect(names.length).toBeGreaterThan(40);
    expect(Object.fromEntries(names.map((name) => [name, decays(name)]))).toEqual(golden.decays);
  });
});
