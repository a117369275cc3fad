/** The best evaluation and early stopping, against transformers' own (`scripts/golden/best_model.py`); and in a run. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadParameters, openSafetensors, safetensorsChunks } from '../../src/checkpoint/index.ts';
import { BestModel } from '../../src/training/best-model.ts';
import {
  Checkpoints,
  listCheckpoints,
  readCheckpoint,
  train,
  TrainingStopped,
  writeTrainerState,
  type EvaluationEntry,
  type TrainingEvent,
  type TrainingHooks,
  type TrainingOptions,
} from '../../src/training/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';
import { classifier, defaultTraining, examples } from './classifier.ts';

interface Case {
  readonly values: number[];
  readonly greater: boolean;
  readonly patience: number;
  readonly threshold: number;
  readonly rows: [isBest: boolean, best: number, step: number, misses: number, stops: boolean][];
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../golden/training/best-model.json'), 'utf8'),
) as { fields: string[]; cases: Case[] };

/** Python with transformers. */
const PYTHON = process.env['BERTRAM_PEER_PYTHON'] ?? '';
const hasTransformers = PYTHON !== '' && spawnSync(PYTHON, ['-c', 'import transformers']).status === 0;

describe('the best evaluation', () => {
  it.each(golden.cases)(
    'and the end are those of transformers: greater $greater, patience $patience, threshold $threshold',
    ({ values, greater, patience, threshold, rows }) => {
      const best = new BestModel({
        ...{ metric: 'eval_f1', greaterIsBetter: greater, load: true, patience, threshold },
      });
      const ours = rows.map((_, i) => {
        const entry: EvaluationEntry = { step: 10 * (i + 1), epoch: i, eval_f1: values[i]! };
        const isBest = best.judge(entry);
        const { value, step, misses } = best.record;
        return [isBest, value, step, misses, best.isExhausted];
      });
      expect(ours).toEqual(rows);
    },
  );

  it('has cases that stop and cases that do not', () => {
    const stops = golden.cases.map(({ rows }) => rows.at(-1)![4]);
    expect(new Set(stops).size).toBe(2);
  });

  it('is refused by a metric that there is none of', () => {
    const best = new BestModel({ metric: 'eval_loss', greaterIsBetter: false, load: false });
    expect(() => best.judge({ step: 1, epoch: 1, eval_f1: 3, eval_exact_match: 1 })).toThrow(
      'metric_for_best_model: expected one of eval_f1, eval_exact_match, got eval_loss',
    );
  });
});

const MODEL_FILE = 'model.safetensors';

/** A run of 12 updates that is evaluated after every second one, and gets these scores. */
function scored(
  scores: readonly number[],
  options: Partial<TrainingOptions>,
  { directory = temporaryDirectory(), resumeFrom = '', until = Infinity, limit = Infinity, stopIn = 0 } = {},
) {
  const events: TrainingEvent[] = [];
  const request = new AbortController();
  const valuesAt = new Map<number, Float32Array>();
  const checkpoints = new Checkpoints(directory, { limit });
  const all: TrainingOptions = { ...defaultTraining, epochs: 2, evalSteps: 2, ...options };
  const hooks: TrainingHooks = {
    initialize: async (state) => {
      state.initialize(1);
      if (resumeFrom === '') return undefined;
      await fill(state.valueTensors(), resumeFrom);
      return readCheckpoint(resumeFrom, state);
    },
    save: (state, progress) =>
      checkpoints.write(state, progress, [
        { name: MODEL_FILE, content: safetensorsChunks(MODEL_FILE, state.valueTensors()) },
      ]),
    load: async (state, step) => {
      const found = await checkpoints.find(step);
      if (found !== undefined) await fill(state.valueTensors(), found);
      return found !== undefined;
    },
    evaluate: async (state, signal) => {
      const step = events.reduce((most, event) => ('step' in event ? Math.max(most, event.step) : most), 0);
      valuesAt.set(step, state.values.slice());
      await Promise.resolve();
      if (step === stopIn) request.abort();
      signal?.throwIfAborted();
      return { eval_f1: scores[step / 2 - 1]! };
    },
    signal: request.signal,
    onEvent: (event) => {
      events.push(event);
      if (event.type === 'saved' && event.step >= until) throw new Error('power cut');
    },
  };
  const run = train(classifier(), examples(21), all, hooks);
  return { run, events, valuesAt, directory };
}

async function fill(
  tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly data: unknown }[],
  directory: string,
): Promise<void> {
  const source = await openSafetensors(join(directory, MODEL_FILE));
  await loadParameters(
    source,
    tensors.map(({ name, shape, data }) => ({ name, shape, into: data as Float32Array })),
  );
  await source.close();
}

const stepsOf = async (directory: string): Promise<number[]> =>
  (await listCheckpoints(directory)).map((path) => Number(path.split('-').at(-1)));

describe('a run that ends with its best model', () => {
  const best = { metric: 'eval_f1', greaterIsBetter: true, load: true } as const;

  it('has the weights of the best evaluation, whose checkpoint outlives newer ones', async () => {
    const scores = [1, 5, 2, 3, 4, 4.5];
    const { run, events, valuesAt, directory } = scored(scores, { best, saveSteps: 2 }, { limit: 1 });
    const { state, progress, result } = await run;
    expect(result.step).toBe(12);
    expect(valuesAt.get(12)).not.toEqual(valuesAt.get(4));
    expect(state.values).toEqual(valuesAt.get(4));
    expect(await stepsOf(directory)).toEqual([4, 10]);
    expect(events).toContainEqual({ type: 'best-loaded', step: 4, metric: 'eval_f1', value: 5 });
    await writeTrainerState(directory, progress);
    const file = JSON.parse(readFileSync(join(directory, 'trainer_state.json'), 'utf8')) as object;
    expect(Object.keys(file).sort()).toEqual(golden.fields);
    expect(file).toMatchObject({
      best_metric: 5,
      best_global_step: 4,
      best_model_checkpoint: join(directory, 'checkpoint-4'),
      ...{ epoch: 2, eval_steps: 2, save_steps: 2, num_train_epochs: 2, train_batch_size: 4, max_steps: 12 },
    });
    expect((file as { log_history: object[] }).log_history[1]).toEqual({ step: 4, epoch: 4 / 6, eval_f1: 5 });
  });

  it('keeps of three the best and the two newest', async () => {
    const scores = [5, 1, 2, 3, 4, 4.5];
    const { run, directory } = scored(scores, { best, saveSteps: 2 }, { limit: 3 });
    await run;
    expect(await stepsOf(directory)).toEqual([2, 8, 10]);
  });

  it('saves the best where no checkpoint is due, and needs none where the last update is the best', async () => {
    const { run, directory } = scored([1, 5, 2, 3, 4, 4.5], { best, saveSteps: 0 });
    await run;
    expect(await stepsOf(directory)).toEqual([2, 4]);
    const last = scored([1, 2, 3, 4, 5, 6], { best, saveSteps: 0 });
    const { state } = await last.run;
    expect(state.values).toEqual(last.valuesAt.get(12));
    expect(last.events.some(({ type }) => type === 'best-loaded')).toBe(false);
  });

  it('says so where the best weights are gone', async () => {
    const { run, events, valuesAt, directory } = scored([1, 5, 2, 3, 4, 4.5], {
      best,
      saveSteps: 2,
    });
    const original = events.push.bind(events);
    events.push = (...items) => {
      if (items.some((event) => event.type === 'saved' && event.step === 10))
        rmSync(join(directory, 'checkpoint-4'), { recursive: true });
      return original(...items);
    };
    const { state } = await run;
    expect(state.values).toEqual(valuesAt.get(12));
    expect(events).toContainEqual({
      type: 'warning',
      text: 'the weights of update 4, the best, are gone: the model is that of update 12',
    });
  });

  it('stops when nothing improves, and a resumed run counts on', async () => {
    const scores = [1, 5, 2, 3, 4, 9];
    const options = { best: { ...best, patience: 3 }, saveSteps: 2 };
    const whole = scored(scores, options);
    const { result, state } = await whole.run;
    expect(result).toMatchObject({ step: 10, epoch: 10 / 6, stopped_early: true });
    expect(whole.events).toContainEqual({ type: 'stopped-early', step: 10, evaluations: 3 });
    expect(state.values).toEqual(whole.valuesAt.get(4));

    const cut = scored(scores, options, { until: 8 });
    await expect(cut.run).rejects.toThrow('power cut');
    const from = { directory: cut.directory, resumeFrom: join(cut.directory, 'checkpoint-8') };
    const resumed = scored(scores, options, from);
    const after = await resumed.run;
    expect(after.result).toMatchObject({ step: 10, stopped_early: true });
    expect(after.state.values).toEqual(state.values);
    expect(after.progress.best).toEqual({ value: 5, step: 4, misses: 3 });

    // One that goes on from where it stopped stays where it is.
    const again = scored(scores, options, {
      ...from,
      resumeFrom: join(cut.directory, 'checkpoint-10'),
    });
    expect((await again.run).result).toMatchObject({ step: 10, stopped_early: true });
    expect(again.events.some(({ type }) => type === 'step')).toBe(false);
  });

  it.each([
    ['one that is not the best', 2],
    ['the best', 4],
    ['one that counts for early stopping', 8],
    ['the one that ends the run', 10],
  ])('leaves an evaluation when it is asked to stop, and makes it when it goes on: %s', async (_, stopIn) => {
    const scores = [1, 5, 2, 3, 4, 9];
    const options = { best: { ...best, patience: 3 }, saveSteps: 6 };
    const whole = await scored(scores, options).run;

    const cut = scored(scores, options, { stopIn });
    await expect(cut.run).rejects.toEqual(new TrainingStopped(stopIn));
    expect(cut.valuesAt.has(stopIn)).toBe(true);
    const from = join(cut.directory, `checkpoint-${stopIn}`);
    const resumed = scored(scores, options, { directory: cut.directory, resumeFrom: from });
    const { state, progress, result } = await resumed.run;
    expect(Math.min(...resumed.valuesAt.keys())).toBe(stopIn);
    expect(state.values).toEqual(whole.state.values);
    expect(state.secondMoments).toEqual(whole.state.secondMoments);
    expect(progress.logHistory).toEqual(whole.progress.logHistory);
    expect(progress.best).toEqual(whole.progress.best);
    expect(result.stopped_early).toBe(true);
  });

  it('leaves the evaluation after the last update, too', async () => {
    const scores = [6, 5, 4, 3, 2, 1];
    const whole = await scored(scores, { best }).run;
    const cut = scored(scores, { best }, { stopIn: 12 });
    await expect(cut.run).rejects.toEqual(new TrainingStopped(12));
    const resumeFrom = join(cut.directory, 'checkpoint-12');
    // Asked again while it makes up for it, the run is where it was.
    const again = scored(scores, { best }, { directory: cut.directory, resumeFrom, stopIn: 12 });
    await expect(again.run).rejects.toEqual(new TrainingStopped(12));
    const { state, progress } = await scored(scores, { best }, { directory: cut.directory, resumeFrom }).run;
    expect(state.values).toEqual(whole.state.values);
    expect(progress.logHistory).toEqual(whole.progress.logHistory);
  });

  it('does not take an evaluation that fails for one that was cut short', async () => {
    const failure = new DOMException('of something else', 'AbortError');
    const hooks: TrainingHooks = {
      initialize: (state) => {
        state.initialize(1);
        return Promise.resolve(undefined);
      },
      save: () => Promise.resolve(),
      evaluate: () => Promise.reject(failure),
    };
    await expect(train(classifier(), examples(5), defaultTraining, hooks)).rejects.toBe(failure);
  });

  it('evaluates and saves at the ends of epochs where that is asked', async () => {
    const { run, events, directory } = scored([0, 0, 1, 0, 0, 2], {
      ...{ best, evalSteps: 'epoch', saveSteps: 'epoch', gradientAccumulationSteps: 1 },
    });
    await run;
    const evaluated = events.flatMap((event) => (event.type === 'evaluation' ? [event.entry.epoch] : []));
    expect(evaluated).toEqual([1, 2]);
    expect(await stepsOf(directory)).toEqual([6, 12]);
  });

  it.skipIf(!hasTransformers)('has a state that transformers reads (BERTRAM_PEER_PYTHON)', async () => {
    const { run, directory } = scored([1, 5, 2, 3, 4, 9], {
      ...{ best: { ...best, patience: 3, threshold: 0.25 }, saveSteps: 2 },
    });
    await writeTrainerState(directory, (await run).progress);
    const reader = `
import json, sys
from transformers.trainer_callback import TrainerState, EarlyStoppingCallback
state = TrainerState.load_from_json(sys.argv[1])
callback = EarlyStoppingCallback.from_state(state.stateful_callbacks["EarlyStoppingCallback"])
print(json.dumps([state.best_metric, state.best_global_step, state.global_step, len(state.log_history),
  callback.early_stopping_patience, callback.early_stopping_threshold, callback.early_stopping_patience_counter]))`;
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', reader, join(directory, 'trainer_state.json')], {
      encoding: 'utf8',
    });
    expect(JSON.parse(stdout || JSON.stringify(stderr))).toEqual([5, 4, 10, 5, 3, 0.25, 3]);
  });
});
