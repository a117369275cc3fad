/** What a run says when its numbers break: the first tensor that is not finite, by the name that its author knows. */
import { describe, expect, it } from 'vitest';
import { add, divide, input, multiply, sqrt, sum, type Tensor } from '../../src/graph/index.ts';
import { Dropout, Parameters, zeros } from '../../src/nn/index.ts';
import {
  train,
  type Objective,
  type TrainingData,
  type TrainingHooks,
  type TrainingOptions,
  type TrainingState,
} from '../../src/training/index.ts';
import { classifier, defaultTraining, examples } from './classifier.ts';

/** Trains, and returns the one line that it fails with; `touch` changes the parameters at the start. */
async function failure(
  objective: Objective,
  data: TrainingData,
  options: Partial<TrainingOptions>,
  touch: (state: TrainingState) => void = () => undefined,
): Promise<{ readonly line: string; readonly state: TrainingState; readonly saved: readonly number[] }> {
  let reached: TrainingState | undefined;
  const saved: number[] = [];
  const hooks: TrainingHooks = {
    initialize: (state) => {
      state.initialize(1);
      touch(state);
      reached = state;
      return Promise.resolve(undefined);
    },
    save: (_, { step }) => {
      saved.push(step);
      return Promise.resolve();
    },
  };
  const all = { ...defaultTraining, saveSteps: 1, ...options };
  const error: unknown = await train(objective, data, all, hooks).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'BertramError', code: 'failed' });
  const { message } = error as Error;
  expect(message).not.toContain('\n');
  // Numbers of nodes and lines of source depend on what else is in the file.
  const line = message.replace(/_\d+/g, '_#').replace(/[^\s(]*\/(\w+\/[\w.-]+\.ts):\d+:\d+/g, '$1');
  return { line, state: reached!, saved };
}

const valueOf = (state: TrainingState, name: string): Float32Array => state.viewOf(state.values, name).data;

/** `x` and `y` of two examples, in one batch; a loss over a parameter `w` [3]. */
function small(lossOf: (w: Tensor, x: Tensor) => Tensor, x: readonly number[] = [1, 2, 3, 4, 5, 6]) {
  const parameters = new Parameters();
  const w = parameters.declare('w', [3], zeros);
  const other = parameters.declare('other', [2], zeros);
  const loss = add(lossOf(w, input('x', 'float32', [2, 3])), sum(other));
  const objective: Objective = { loss, parameters: parameters.all, dropout: new Dropout({ training: true }) };
  const data: TrainingData = {
    lengths: [3, 3],
    collate: () => ({
      feeds: { x: { data: Float32Array.from(x), shape: [2, 3] } },
      sizes: new Map(),
    }),
  };
  return { objective, data };
}

describe('a loss that is not finite', () => {
  it('is laid to the parameter that is not', async () => {
    const { line } = await failure(classifier(), examples(8), {}, (state) => {
      valueOf(state, 'head.weight')[6 * 2 + 5] = -Infinity;
    });
    expect(line).toMatchInlineSnapshot(
      `"training: expected finite numbers at step 1, got loss NaN: parameter head.weight is -Infinity at [2, 5]"`,
    );
  });

  it('is laid to the node of the model that computed the first such number, with its line', async () => {
    // Words of 1e38: the sum of a text's words is beyond float32, and all that comes after.
    const { line, state, saved } = await failure(classifier(0), examples(8), {}, (state) => {
      valueOf(state, 'embedding.weight').fill(1e38);
    });
    expect(line).toMatch(
      /^training: expected finite numbers at step 1, got loss NaN: sum_# \(training\/classifier\.ts\) is Infinity at \[\d, 0\]$/,
    );
    expect(valueOf(state, 'embedding.weight').every((value) => value === Math.fround(1e38))).toBe(true);
    expect(saved).toEqual([]);
  });

  it('is laid to what was fed, where that is not finite', async () => {
    const { objective, data } = small((w, x) => sum(multiply(w, x)), [1, 2, 3, 4, NaN, 6]);
    expect((await failure(objective, data, {})).line).toContain(': input x is NaN at [1, 1]');
  });

  it('is found in the batch of the update that has it, with the dropout masks that it had', async () => {
    const data = examples(9);
    let batches = 0;
    const spoilt: TrainingData = {
      ...data,
      collate: (indices) => {
        batches += 1;
        return data.collate(indices);
      },
    };
    const { line } = await failure(classifier(0.5), spoilt, { gradientAccumulationSteps: 3 }, (state) => {
      // Twice that, where dropout keeps it, is beyond float32.
      valueOf(state, 'embedding.weight').fill(2e38, 6);
    });
    expect(line).toMatch(/: dropout_# \(nn\/dropout\.ts\) is Infinity at /);
    expect(batches).toBeGreaterThan(3);
  });
});

describe('a gradient that is not finite, of a loss that is', () => {
  // The square root has an infinite slope at 0, and 0 times that is NaN.
  const { objective, data } = small((w, x) => sum(multiply(sqrt(multiply(w, w)), sum(x, [0]))));

  it('is laid to its parameter, and nothing is updated', async () => {
    const { line, state, saved } = await failure(objective, data, {}, (state) => {
      valueOf(state, 'w').set([1, 0, 2]);
    });
    expect(line).toMatchInlineSnapshot(
      `"training: expected finite numbers at step 1, got loss 23 and gradient norm NaN: the gradient of w is NaN at [1]"`,
    );
    expect(Array.from(valueOf(state, 'w'))).toEqual([1, 0, 2]);
    expect(Array.from(valueOf(state, 'other'))).toEqual([0, 0]);
    expect(state.firstMoments.every((value) => value === 0)).toBe(true);
    expect(saved).toEqual([]);
  });

  it('is told of its norm alone where only the squares are too large', async () => {
    const { objective, data } = small((w, x) => sum(multiply(w, sum(x, [0]))), [1e25, 1, 1, 1e25, 1, 1]);
    expect((await failure(objective, data, {})).line).toContain(
      'gradient norm Infinity: every gradient is finite, but not the sum of their squares',
    );
  });

  it('names the first of the backward pass', async () => {
    const parameters = new Parameters();
    const [first, second] = ['first', 'second'].map((name) => parameters.declare(name, [2], zeros));
    // Backwards: the division by 0 / 0 breaks what comes to `second` before it breaks what comes to `first`.
    const inner = sqrt(multiply(first!, first!));
    const loss = add(
      sum(sqrt(add(multiply(second!, second!), inner))),
      divide(sum(input('x', 'float32', [2, 3])), 6),
    );
    const twoParameters = { loss, parameters: parameters.all, dropout: new Dropout({ training: true }) };
    expect((await failure(twoParameters, data, {})).line).toContain('the gradient of second is NaN at [0]');
  });
});

describe('parameters that an update left not finite', () => {
  it('are not kept: there is no checkpoint of them', async () => {
    const { line, saved } = await failure(
      classifier(),
      examples(8),
      {
        learningRate: 3.4e38,
        maxGradNorm: 0,
        schedule: 'constant',
        optimizer: { ...defaultTraining.optimizer, weightDecay: 0.9 },
      },
      (state) => state.values.fill(2),
    );
    expect(line).toMatch(
      /^training: expected finite parameters after step 1: parameter \S+ is (NaN|-?Infinity) at \[/,
    );
    expect(saved).toEqual([]);
  });
});
