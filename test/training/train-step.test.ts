import { describe, expect, it, onTestFinished } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { add, input, multiply, sum, type Tensor } from '../../src/graph/index.ts';
import { Dropout, Parameters, zeros } from '../../src/nn/index.ts';
import type { AdamWOptions } from '../../src/optim/index.ts';
import { compile, type Feeds, type HostTensor } from '../../src/runtime/index.ts';
import { DropoutMasks, TrainStep, type Objective, type TrainStepOptions } from '../../src/training/index.ts';
import { golden, relativeError, type GoldenRun } from '../optim/golden.ts';
import { classifier, defaultTraining, examples } from './classifier.ts';

async function create(objective: Objective, options: TrainStepOptions): Promise<TrainStep> {
  const step = await TrainStep.create(objective, { threads: 1, ...options });
  onTestFinished(() => step.release());
  return step;
}

/** An objective whose gradients are what it is fed: the sum of `weight` times `weight gradient`, and so for `bias`. */
function linearObjective(sizes: { readonly weight: number; readonly bias: number }): Objective {
  const parameters = new Parameters();
  const [one, other] = (['weight', 'bias'] as const).map((name) => {
    const shape = [sizes[name]];
    return sum(multiply(parameters.declare(name, shape, zeros), input(`${name} gradient`, 'float32', shape)));
  });
  return { loss: add(one!, other!), parameters: parameters.all, dropout: new Dropout({ training: true }) };
}

const repeated = (numbers: readonly number[], times: number, factor = 1): Float32Array =>
  Float32Array.from({ length: numbers.length * times }, (_, i) => numbers[i % numbers.length]! * factor);

/** A batch with a golden step's gradients, scaled. */
const batchOf = (step: number, factor: number, times: number): Feeds =>
  Object.fromEntries(
    Object.entries(golden.gradients[step]!).map(([name, values]: [string, number[]]) => {
      const data = repeated(values, times, factor);
      return [`${name} gradient`, { data, shape: [data.length] }];
    }),
  );

const optimizerOf = (run: GoldenRun, biasCorrection: boolean): AdamWOptions => ({
  beta1: run.beta1,
  beta2: run.beta2,
  epsilon: run.epsilon,
  weightDecay: run.weight_decay,
  biasCorrection,
});

const NO_SIZES = new Map<string, number>();

describe('updates', () => {
  it.each([
    { of: "PyTorch's AdamW and clipping", run: golden.pytorch, biasCorrection: true, parts: [1], times: 1 },
    {
      of: 'the same for the mean of three batches',
      run: golden.pytorch,
      biasCorrection: true,
      parts: [2, 0.25, 0.75],
      times: 1,
    },
    { of: "Google's AdamW", run: golden.google, biasCorrection: false, parts: [1], times: 1 },
    // Arrays longer than what is updated at a time.
    {
      of: 'the same in several blocks',
      run: golden.google,
      biasCorrection: false,
      parts: [1.5, 0.5],
      times: 6000,
    },
  ])('equal $of', async ({ run, biasCorrection, parts, times }) => {
    const { weight, bias } = golden.start;
    const step = await create(linearObjective({ weight: weight.length * times, bias: bias.length * times }), {
      optimizer: optimizerOf(run, biasCorrection),
      maxGradNorm: run.clip,
      seed: 0,
    });
    const { state } = step;
    const view = (array: Float32Array, name: string): Float32Array => state.viewOf(array, name).data;
    view(state.values, 'weight').set(repeated(weight, times));
    view(state.values, 'bias').set(repeated(bias, times));
    for (const [i, expected] of run.steps.entries()) {
      for (const part of parts) await step.backward(batchOf(i, part, times), NO_SIZES, 0);
      const norm = await step.update(i + 1, golden.learning_rates[i]!);
      expect(norm / (expected.norm * Math.sqrt(times))).toBeCloseTo(1, 4);
      for (const name of ['weight', 'bias'] as const) {
        const arrays = [
          [state.values, expected.values],
          [state.firstMoments, expected.exp_avg],
          [state.secondMoments, expected.exp_avg_sq],
        ] as const;
        for (const [got, { [name]: want }] of arrays) {
          expect(
            relativeError(view(got, name), repeated(want, times)),
            `${name} after ${i + 1}`,
          ).toBeLessThan(2e-6);
        }
      }
    }
  });
});

describe('backward', () => {
  const { parameters } = classifier();
  const batch = examples(9).collate(Uint32Array.of(3, 1, 4, 5, 8));

  it('gives the loss and feeds the masks of the batch with this number', async () => {
    const objective = classifier(0.3);
    const step = await create(objective, { ...defaultTraining, seed: 77 });
    step.state.initialize(1);
    const { loss } = await step.backward(batch.feeds, batch.sizes, 12);

    const wanted = objective.parameters.map(({ tensor }) => tensor);
    const results: Record<string, Tensor> = { loss: objective.loss };
    gradient(objective.loss, wanted).forEach((g, i) => {
      results[`gradient of ${objective.parameters[i]!.name}`] = g;
    });
    const program = await compile(results, { threads: 1 });
    onTestFinished(() => program.release());
    const run = (number: number): Promise<Record<string, HostTensor>> => {
      const masks = new DropoutMasks(objective.dropout.sites, 77).draw(number, batch.sizes);
      return program.run({ ...batch.feeds, ...masks, ...step.state.valueViews() });
    };
    const expected = await run(12);
    expect(objective.dropout.sites).toHaveLength(2);
    expect(loss).toBe(Number(expected['loss']!.data[0]));
    expect(loss).not.toBe(Number((await run(13))['loss']!.data[0]));
    for (const { name } of parameters)
      expect(step.state.viewOf(step.state.gradients, name).data).toEqual(
        expected[`gradient of ${name}`]!.data,
      );
  });

  it('adds up batches until an update, and then begins anew', async () => {
    const step = await create(classifier(0), defaultTraining);
    step.state.initialize(1);
    const gradientsAfter = async (times: number): Promise<Float32Array> => {
      for (let i = 0; i < times; i++) await step.backward(batch.feeds, batch.sizes, 0);
      return step.state.gradients.slice();
    };
    const once = await gradientsAfter(1);
    expect(
      relativeError(
        await gradientsAfter(2),
        once.map((g) => 3 * g),
      ),
    ).toBeLessThan(1e-6);
    await step.update(1, 0);
    expect(await gradientsAfter(1)).toEqual(once);
  });

  it('gives the same gradients in every run at two threads', async () => {
    const gradients = await Promise.all(
      [2, 2, 1].map(async (threads) => {
        const step = await create(classifier(0.3), { ...defaultTraining, threads });
        step.state.initialize(1);
        await step.backward(batch.feeds, batch.sizes, 3);
        return step.state.gradients;
      }),
    );
    expect(gradients[1]).toEqual(gradients[0]);
    expect(relativeError(gradients[2]!, gradients[0]!)).toBeLessThan(1e-5);
  });
});
