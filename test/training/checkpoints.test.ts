import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors, writeSafetensors } from '../../src/checkpoint/index.ts';
import { Parameters, zeros } from '../../src/nn/index.ts';
import { BertramError } from '../../src/support/errors.ts';
import {
  Checkpoints,
  listCheckpoints,
  readCheckpoint,
  TrainingState,
  type TrainingProgress,
} from '../../src/training/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

function stateOf(
  shapes: Readonly<Record<string, readonly number[]>> = { weight: [4, 3], bias: [4] },
): TrainingState {
  const parameters = new Parameters();
  for (const [name, shape] of Object.entries(shapes)) parameters.declare(name, shape, zeros);
  return new TrainingState(parameters.all);
}

const progressAt = (step: number): TrainingProgress => ({
  step,
  totalSteps: 90,
  position: { epoch: 0, update: step },
  settings: { seed: 42, shuffle: true, schedule: 'linear' },
  logSums: {
    sinceEntry: { updates: 1, sums: { loss: 0.1 + 0.2 } },
    run: { updates: step, sums: { loss: 8.75 } },
  },
  logHistory: [{ step, epoch: 0.5, loss: 1.25, learning_rate: 1e-5, grad_norm: 3 }],
});

/** A directory with a checkpoint of known moments. */
async function written(): Promise<{ output: string; checkpoint: string }> {
  const output = temporaryDirectory();
  const state = stateOf();
  state.firstMoments.forEach((_, i) => (state.firstMoments[i] = Math.sin(i)));
  state.secondMoments.forEach((_, i) => (state.secondMoments[i] = Math.cos(i) ** 2));
  await new Checkpoints(output).write(state, progressAt(7), [{ name: 'model', content: 'the model' }]);
  return { output, checkpoint: join(output, 'checkpoint-7') };
}

const nothing = (): Promise<void> => Promise.resolve();

describe('a checkpoint', () => {
  it('holds the model, the moments under the names that PyTorch has for them, and the progress', async () => {
    const { output, checkpoint } = await written();
    expect(readdirSync(output)).toEqual(['checkpoint-7']);
    expect(readdirSync(checkpoint).sort()).toEqual([
      ...['manifest.json', 'model', 'optimizer.safetensors', 'run_state.json', 'trainer_state.json'],
    ]);
    const source = await openSafetensors(join(checkpoint, 'optimizer.safetensors'));
    expect(Object.fromEntries(Array.from(source.tensors, ([name, { shape }]) => [name, shape]))).toEqual({
      'exp_avg.weight': [4, 3],
      'exp_avg.bias': [4],
      'exp_avg_sq.weight': [4, 3],
      'exp_avg_sq.bias': [4],
    });
    await source.close();
    expect(JSON.parse(readFileSync(join(checkpoint, 'trainer_state.json'), 'utf8'))).toMatchObject({
      global_step: 7,
      max_steps: 90,
      epoch: 0.5,
      is_world_process_zero: true,
      log_history: [{ step: 7, epoch: 0.5, loss: 1.25, learning_rate: 1e-5, grad_norm: 3 }],
    });
  });

  it('gives back what was written', async () => {
    const { checkpoint } = await written();
    const state = stateOf();
    expect(await readCheckpoint(checkpoint, state)).toEqual(progressAt(7));
    const { data } = state.viewOf(state.firstMoments, 'bias');
    expect(Array.from(data)).toEqual(Array.from([16, 17, 18, 19], (i) => Math.fround(Math.sin(i))));
    expect(state.viewOf(state.secondMoments, 'weight').data[5]).toBe(Math.fround(Math.cos(5) ** 2));
  });

  it('is not there under its name until it is whole', async () => {
    const { output, checkpoint } = await written();
    const content = (async function* () {
      yield new TextEncoder().encode('half of the model');
      await Promise.reject(new Error('disk full'));
    })();
    const failing = new Checkpoints(output).write(stateOf(), progressAt(8), [{ name: 'model', content }]);
    await expect(failing).rejects.toMatchObject({
      code: 'failed',
      message: `${output}/checkpoint-8: cannot be written: disk full`,
    });
    expect(await listCheckpoints(output)).toEqual([checkpoint]);
    await new Checkpoints(output).write(stateOf(), progressAt(8), []);
    expect(readdirSync(output).sort()).toEqual(['checkpoint-7', 'checkpoint-8']);
  });

  it('takes the place of one of the same step', async () => {
    const { output, checkpoint } = await written();
    await new Checkpoints(output).write(stateOf(), progressAt(7), []);
    expect(readdirSync(checkpoint).sort()).not.toContain('model');
  });
});

describe('the limit on checkpoints', () => {
  const stepsIn = async (output: string): Promise<number[]> =>
    (await listCheckpoints(output)).map((path) => Number(/\d+$/.exec(path)![0]));

  it('keeps the newest by number, not by name, and nothing but checkpoints counts', async () => {
    const output = temporaryDirectory();
    for (const name of ['runs', 'checkpoint-best', 'my-checkpoint-1']) mkdirSync(join(output, name));
    for (const step of [8, 9, 10, 11])
      await new Checkpoints(output, { limit: 2 }).write(stateOf(), progressAt(step), []);
    expect(await stepsIn(output)).toEqual([10, 11]);
    expect(readdirSync(output).sort()).toEqual([
      'checkpoint-10',
      'checkpoint-11',
      'checkpoint-best',
      'my-checkpoint-1',
      'runs',
    ]);
  });

  it('never takes the one just written, though an earlier run left higher numbers', async () => {
    const output = temporaryDirectory();
    for (const step of [100, 200]) await new Checkpoints(output).write(stateOf(), progressAt(step), []);
    await new Checkpoints(output, { limit: 2 }).write(stateOf(), progressAt(10), []);
    expect(await stepsIn(output)).toEqual([10, 200]);
    await new Checkpoints(output, { limit: 1 }).write(stateOf(), progressAt(20), []);
    expect(await stepsIn(output)).toEqual([20]);
  });

  it('keeps all unless told', async () => {
    const output = temporaryDirectory();
    for (const step of [1, 2, 3]) await new Checkpoints(output).write(stateOf(), progressAt(step), []);
    expect(await stepsIn(output)).toEqual([1, 2, 3]);
    expect(await stepsIn(join(output, 'nowhere'))).toEqual([]);
  });
});

describe('a malformed checkpoint', () => {
  /** The one line that reading it gives, the directory left out. */
  async function complaint(
    spoil: (checkpoint: string) => void | Promise<void>,
    state = stateOf(),
  ): Promise<string> {
    const { checkpoint } = await written();
    await spoil(checkpoint);
    const error: unknown = await readCheckpoint(checkpoint, state).catch((caught: unknown) => caught);
    if (!(error instanceof BertramError)) throw new Error('expected a BertramError', { cause: error });
    expect(error.message).not.toContain('\n');
    return `${error.code}: ${error.message.replaceAll(checkpoint, 'checkpoint-7')}`;
  }
  const optimizer = (checkpoint: string): string => join(checkpoint, 'optimizer.safetensors');
  const trainerState = (checkpoint: string): string => join(checkpoint, 'trainer_state.json');
  const rewritten = (text: string) => (checkpoint: string) => {
    writeFileSync(trainerState(checkpoint), text);
  };

  it('without optimizer.safetensors', async () => {
    expect(await complaint((checkpoint) => rmSync(optimizer(checkpoint)))).toMatchInlineSnapshot(
      `"not-found: checkpoint-7/optimizer.safetensors: cannot be read: no such file or directory (ENOENT)"`,
    );
  });

  it('with a truncated optimizer.safetensors', async () => {
    expect(await complaint((checkpoint) => truncateSync(optimizer(checkpoint), 300))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/optimizer.safetensors: expected 128 bytes of data, as the header says, got 12"`,
    );
  });

  it('of a model with another parameter', async () => {
    expect(await complaint(nothing, stateOf({ weight: [4, 3], other: [4] }))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/optimizer.safetensors: expected a tensor "exp_avg.other", got none"`,
    );
  });

  it('of a model of another size', async () => {
    expect(await complaint(nothing, stateOf({ weight: [4, 5], bias: [4] }))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/optimizer.safetensors: parameter "exp_avg.weight": expected shape [4,5], got [4,3]"`,
    );
  });

  it('of a model whose parameter has as many numbers in another shape', async () => {
    expect(await complaint(nothing, stateOf({ weight: [3, 4], bias: [4] }))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/optimizer.safetensors: parameter "exp_avg.weight": expected shape [3,4], got [4,3]"`,
    );
  });

  it('with moments that are not finite', async () => {
    const tensors = ['exp_avg.weight', 'exp_avg_sq.weight'].map((name) => ({
      name,
      dtype: 'F32' as const,
      shape: [2],
      data: Float32Array.of(1, NaN),
    }));
    const spoil = (checkpoint: string): Promise<void> => writeSafetensors(optimizer(checkpoint), tensors);
    expect(await complaint(spoil, stateOf({ weight: [2] }))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/optimizer.safetensors: parameter "exp_avg.weight": expected finite values, got NaN at index 1"`,
    );
  });

  it('without trainer_state.json', async () => {
    expect(await complaint((checkpoint) => rmSync(trainerState(checkpoint)))).toMatchInlineSnapshot(
      `"not-found: checkpoint-7/trainer_state.json: cannot be read: no such file or directory (ENOENT)"`,
    );
  });

  it('with a trainer_state.json that is no JSON', async () => {
    expect(await complaint(rewritten('{\n  "global_step": seven\n}\n'))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/trainer_state.json: expected JSON, got "{\\n  \\"global_step\\": seven\\n}\\n""`,
    );
  });

  it('with a trainer_state.json that does not say how far it is', async () => {
    expect(await complaint(rewritten('{ "max_steps": 90, "log_history": [] }'))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/trainer_state.json: global_step: expected number, received undefined"`,
    );
  });

  it('with a log that is none', async () => {
    const text = JSON.stringify({ global_step: 7, max_steps: 90, log_history: [{ step: 7, epoch: 'x' }] });
    expect(await complaint(rewritten(text))).toMatchInlineSnapshot(
      `"bad-input: checkpoint-7/trainer_state.json: log_history.0.epoch: expected number, received string"`,
    );
  });

  it('that is no directory at all', async () => {
    expect(await complaint((checkpoint) => rmSync(checkpoint, { recursive: true }))).toMatchInlineSnapshot(
      `"not-found: checkpoint-7/optimizer.safetensors: cannot be read: no such file or directory (ENOENT)"`,
    );
  });
});
