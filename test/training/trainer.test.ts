import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadParameters, modelWeightsFile, openSafetensors } from '../../src/checkpoint/index.ts';
import {
  Checkpoints,
  epochBatches,
  listCheckpoints,
  readCheckpoint,
  train,
  type LogEntry,
  type TrainingEvent,
  type TrainingHooks,
  type TrainingOptions,
  type TrainingState,
} from '../../src/training/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';
import { relativeError } from '../optim/golden.ts';
import { classifier, defaultTraining, examples } from './classifier.ts';

const MODEL_FILE = 'model.safetensors';

const namedValues = (state: TrainingState) =>
  state.parameters.map(({ name, shape }) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: state.viewOf(state.values, name).data,
  }));

/** Hooks of a task that keeps its model in one file. */
function hooksOf(directory: string, onEvent?: TrainingHooks['onEvent'], resumeFrom?: string): TrainingHooks {
  return {
    initialize: async (state) => {
      state.initialize(1);
      if (resumeFrom === undefined) return undefined;
      const source = await openSafetensors(join(resumeFrom, MODEL_FILE));
      const wanted = namedValues(state).map(({ name, shape, data }) => ({ name, shape, into: data }));
      await loadParameters(source, wanted);
      await source.close();
      return readCheckpoint(resumeFrom, state);
    },
    save: (state, progress) =>
      new Checkpoints(directory).write(state, progress, [modelWeightsFile(namedValues(state))]),
    ...(onEvent === undefined ? {} : { onEvent }),
  };
}

const fresh: TrainingHooks = {
  initialize: (state) => {
    state.initialize(1);
    return Promise.resolve(undefined);
  },
  save: () => Promise.reject(new Error('not asked to save')),
};

/** A run from the same start, with its events. */
async function run(options: Partial<TrainingOptions>, { count = 21, dropout = 0.1 } = {}) {
  const events: TrainingEvent[] = [];
  const finished = await train(
    classifier(dropout),
    examples(count),
    { ...defaultTraining, ...options },
    {
      ...fresh,
      onEvent: (event) => events.push(event),
    },
  );
  const losses = events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
  return { ...finished, events, losses };
}

describe('the length of a run', () => {
  // 21 examples in batches of 4 are 6 batches.
  it.each<[string, Partial<TrainingOptions>, number, number]>([
    ['one epoch', {}, 6, 1],
    ['one epoch of two batches an update', { gradientAccumulationSteps: 2 }, 3, 1],
    ['the last update of an epoch from fewer batches', { gradientAccumulationSteps: 4 }, 2, 1],
    ['more batches an update than there are', { gradientAccumulationSteps: 100, epochs: 2 }, 2, 2],
    ['a part of an epoch', { epochs: 0.4 }, 3, 0.5],
    ['epochs and a part', { epochs: 1.5 }, 9, 1.5],
    ['maxSteps within the first epoch', { epochs: 3, maxSteps: 4 }, 4, 4 / 6],
    ['maxSteps beyond the epochs', { epochs: 1, maxSteps: 8 }, 8, 8 / 6],
    ['no epoch', { epochs: 0 }, 0, 0],
  ])('is right for %s', async (_, options, steps, epoch) => {
    const { result, losses, progress, events } = await run(options);
    expect(losses).toHaveLength(steps);
    expect(result).toMatchObject({ step: steps, epoch, train_samples: 21 });
    expect(progress).toMatchObject({ step: steps, totalSteps: steps });
    expect(events[0]).toEqual({ type: 'begin', examples: 21, totalSteps: steps, step: 0 });
    expect(events.at(-1)).toEqual({ type: 'end', result });
  });

  it('reads every example once an epoch', async () => {
    const data = examples(21);
    const read: number[] = [];
    const recording: typeof data = {
      ...data,
      collate: (indices) => {
        read.push(...indices);
        return data.collate(indices);
      },
    };
    await train(
      classifier(),
      recording,
      { ...defaultTraining, gradientAccumulationSteps: 4, epochs: 2 },
      fresh,
    );
    const epoch = (number: number): number[] =>
      epochBatches(data.lengths, number, defaultTraining).flatMap((batch) => Array.from(batch));
    expect(read).toEqual([...epoch(0), ...epoch(1)]);
  });
});

describe('dropout', () => {
  it('draws other masks for every batch of every epoch', async () => {
    // Nothing is learnt, so that only the masks tell the epochs apart.
    const { losses } = await run({ learningRate: 0, shuffle: false, epochs: 4 });
    expect(new Set(losses).size).toBe(4 * 6);
    const { losses: alike } = await run({ learningRate: 0, shuffle: false, epochs: 4 }, { dropout: 0 });
    expect(new Set(alike).size).toBe(6);
  });
});

describe('accumulation', () => {
  it('of two batches of 4 equals one batch of 8', async () => {
    const options = { epochs: 3, shuffle: false };
    const one = await run({ ...options, batchSize: 8 }, { count: 24, dropout: 0 });
    const two = await run(
      { ...options, batchSize: 4, gradientAccumulationSteps: 2 },
      { count: 24, dropout: 0 },
    );
    expect(relativeError(two.losses, one.losses)).toBeLessThan(1e-5);
    expect(relativeError(two.state.values, one.state.values)).toBeLessThan(1e-4);
  });
});

describe('the log', () => {
  it('has the mean loss since the entry before, the rate the update used, and the norm before clipping', async () => {
    const { progress, losses, events } = await run({
      epochs: 2,
      loggingSteps: 5,
      warmupSteps: 2,
      maxGradNorm: 1e-3,
    });
    expect(progress.logHistory.map(({ step }) => step)).toEqual([5, 10]);
    const [first, second] = progress.logHistory as [LogEntry, LogEntry];
    const mean = (from: number, to: number): number =>
      losses.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
    expect(first.loss).toBeCloseTo(mean(0, 5), 12);
    expect(second.loss).toBeCloseTo(mean(5, 10), 12);
    // Of 12 updates the fifth is number 4, 2 after the warm-up of 2.
    expect(first.learning_rate).toBeCloseTo(0.02 * (1 - 2 / 10), 12);
    expect(first.epoch).toBeCloseTo(5 / 6, 12);
    expect(first.grad_norm).toBeGreaterThan(0.1);
    expect(events.filter(({ type }) => type === 'log')).toHaveLength(2);
  });

  it('counts the warm-up by its ratio where no number is given', async () => {
    const { progress } = await run({ epochs: 2, loggingSteps: 1, warmupRatio: 0.3 });
    const rates = (progress.logHistory as LogEntry[]).map(({ learning_rate }) => learning_rate / 0.02);
    expect(rates.slice(0, 5)).toEqual(
      [0, 0.25, 0.5, 0.75, 1].map((rate) => expect.closeTo(rate, 12) as number),
    );
  });

  it('has in the result the mean loss of all updates, and how fast they were', async () => {
    const { result, losses } = await run({ epochs: 2 });
    expect(result.train_loss).toBeCloseTo(losses.reduce((a, b) => a + b, 0) / losses.length, 12);
    expect(result.train_samples_per_second * result.train_runtime).toBeCloseTo(2 * 21, 6);
    expect(result.train_steps_per_second * result.train_runtime).toBeCloseTo(losses.length, 6);
  });
});

describe('resuming', () => {
  // Updates 3, 6 and 9: within an epoch, at the border of two (an epoch has 6), and within the next.
  const options: TrainingOptions = {
    ...defaultTraining,
    epochs: 2,
    saveSteps: 3,
    loggingSteps: 3,
    warmupSteps: 2,
  };

  it.each([
    { at: 3, mode: {} },
    { at: 6, mode: {} },
    { at: 9, mode: { groupByLength: true } },
    { at: 3, mode: { gradientAccumulationSteps: 2, epochs: 4 } },
  ])(
    'from update $at with $mode ends with the very numbers of a run that was not stopped',
    async ({ at, mode }) => {
      const all = { ...options, ...mode };
      const data = examples(21);
      const whole = await train(classifier(), data, all, hooksOf(temporaryDirectory()));

      const directory = temporaryDirectory();
      const stop = (event: TrainingEvent): void => {
        if (event.type === 'saved' && event.step === at) throw new Error('power cut');
      };
      await expect(train(classifier(), data, all, hooksOf(directory, stop))).rejects.toThrow('power cut');
      expect((await listCheckpoints(directory)).at(-1)).toBe(join(directory, `checkpoint-${at}`));

      const steps: number[] = [];
      const resumed = await train(
        classifier(),
        data,
        all,
        hooksOf(
          directory,
          (event) => {
            if (event.type === 'step') steps.push(event.step);
          },
          join(directory, `checkpoint-${at}`),
        ),
      );
      expect(steps).toEqual(Array.from({ length: 12 - at }, (_, i) => at + 1 + i));
      expect(resumed.state.values).toEqual(whole.state.values);
      expect(resumed.state.firstMoments).toEqual(whole.state.firstMoments);
      expect(resumed.state.secondMoments).toEqual(whole.state.secondMoments);
      expect(resumed.progress).toEqual(whole.progress);
      expect(resumed.result).toMatchObject({ step: 12, epoch: whole.result.epoch });
    },
  );

  it('is refused from beyond the end of the run', async () => {
    const directory = temporaryDirectory();
    await train(classifier(), examples(21), options, hooksOf(directory));
    const late = hooksOf(directory, undefined, join(directory, 'checkpoint-9'));
    const shorter = train(classifier(), examples(21), { ...options, maxSteps: 8 }, late);
    await expect(shorter).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: training: checkpoint: expected at most the run's 8 updates, got 9]`,
    );
  });

  it('writes no checkpoint at the end, where the model itself is written', async () => {
    const directory = temporaryDirectory();
    await train(classifier(), examples(21), options, hooksOf(directory));
    expect(await listCheckpoints(directory)).toEqual(
      [3, 6, 9].map((step) => join(directory, `checkpoint-${step}`)),
    );
  });
});

describe('the seed', () => {
  it('decides the run, to the last bit', async () => {
    const [one, same, other] = [await run({ seed: 1 }), await run({ seed: 1 }), await run({ seed: 2 })];
    expect(same.state.values).toEqual(one.state.values);
    expect(other.state.values).not.toEqual(one.state.values);
  });

  it('changes the dropout alone when nothing is shuffled', async () => {
    const seeds = async (dropout: number): Promise<number[][]> => [
      (await run({ seed: 1, shuffle: false }, { dropout })).losses,
      (await run({ seed: 2, shuffle: false }, { dropout })).losses,
    ];
    const [one, same] = await seeds(0);
    expect(one).toEqual(same);
    const [dropped, other] = await seeds(0.1);
    expect(dropped).not.toEqual(other);
  });
});

describe('a run that fails', () => {
  it('says at which update numbers stopped being finite', async () => {
    await expect(run({ learningRate: 1e38, maxGradNorm: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: training: expected finite numbers at step 2, got loss NaN: parameter embedding.weight is NaN at [0, 0]]`,
    );
  });

  it('refuses to train on nothing', async () => {
    await expect(run({}, { count: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: training: expected examples, got none]`,
    );
  });

  it.each([
    ['batchSize', 0],
    ['batchSize', 2.5],
    ['gradientAccumulationSteps', 0],
    ['maxSteps', -1],
    ['epochs', -1],
    ['epochs', Infinity],
    ['learningRate', NaN],
    ['saveSteps', 0.5],
  ] as const)('refuses %s %d before any work', async (name, value) => {
    const failure = train(
      classifier(),
      examples(4),
      { ...defaultTraining, [name]: value },
      {
        ...fresh,
        initialize: () => Promise.reject(new Error('work has begun')),
      },
    );
    await expect(failure).rejects.toMatchObject({ code: 'bad-input' });
    await expect(failure).rejects.toThrow(new RegExp(`^training: ${name}: expected .*, got ${value}$`));
  });
});
