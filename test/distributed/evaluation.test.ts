/**
 * Evaluation while two ranks train: the scores, the best model, the early end and the seeds of one process with twice the
 * batch, each question counted once; and a request to stop that one rank alone hears.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildIfStale } from '../e2e/built-program.ts';
import { hasMpirun, mpirunEnvironment } from './mpirun.ts';
import {
  bertram,
  bertramOn,
  finetuneArguments,
  lossDifference,
  pidOfRank,
  program,
  resultOf,
  weightDifference,
  WITHOUT_GRADIENT,
  writeQuestions,
} from './ranks.ts';

const TOLERANCE = 1e-5;
const directory = mkdtempSync(join(tmpdir(), 'bertram-evaluation-ranks-'));
const inside = (...path: string[]): string => join(directory, ...path);
let questions: string;
beforeAll(buildIfStale, 180_000);
beforeAll(() => {
  questions = writeQuestions(directory);
});

/** Four epochs of three updates each: the windows of the questions do not fill the last batch. */
const finetune = (output: string, batch: number, ...more: string[]): string[] => [
  ...finetuneArguments(questions, inside(output), '--validation_file', questions, '--num_train_epochs', '4'),
  ...['--per_device_train_batch_size', String(batch), ...more],
];

/** The same command on one process, and on two ranks with half the batch. */
async function onBoth(name: string, ...more: string[]): Promise<readonly [one: string, two: string]> {
  const [one, two] = [`${name}-one`, `${name}-two`] as const;
  for (const { exitCode, err } of [
    await bertram(finetune(one, 4, ...more)),
    await bertramOn(2, finetune(two, 2, ...more)),
  ])
    if (exitCode !== 0) throw new Error(err);
  return [one, two];
}

const json = (...path: string[]): Record<string, unknown> =>
  JSON.parse(readFileSync(inside(...path), 'utf8')) as Record<string, unknown>;

type Entry = Readonly<Record<string, number>>;

/** What a log tells of its evaluations, but for the clock's part. */
function evaluationsOf(...path: string[]): Partial<Entry>[] {
  const { log_history: log } = json(...path, 'trainer_state.json');
  return (log as Entry[])
    .filter((entry) => 'eval_f1' in entry)
    .map(({ step, eval_f1, eval_exact_match, eval_samples }) => ({
      ...{ step, eval_f1, eval_exact_match, eval_samples },
    }));
}

function expectSameRun(one: string, two: string): void {
  const [alone, shared] = [resultOf(inside(one)), resultOf(inside(two))];
  expect(lossDifference(alone, shared)).toBeLessThan(TOLERANCE);
  expect(weightDifference(alone, shared, WITHOUT_GRADIENT)).toBeLessThan(TOLERANCE);
}

describe.skipIf(!hasMpirun)('two ranks that evaluate while they train (skipped without mpirun)', () => {
  it('find the scores and end with the best model of one process, each question counted once', async () => {
    const best = ['--eval_steps', '1', '--save_steps', '1', '--load_best_model_at_end', '--do_eval'];
    const [one, two] = await onBoth('best', ...best);
    const evaluations = evaluationsOf(one);
    expect(evaluationsOf(two)).toEqual(evaluations);
    expect(evaluations.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    // Of scores that are all alike, any would be the best.
    expect(new Set(evaluations.map(({ eval_f1 }) => eval_f1)).size).toBeGreaterThan(2);
    const [ofOne, ofTwo] = [json(one, 'trainer_state.json'), json(two, 'trainer_state.json')];
    expect(ofTwo).toMatchObject({
      best_global_step: ofOne['best_global_step'],
      best_metric: ofOne['best_metric'],
    });
    expectSameRun(one, two);
    const predictions = (output: string): string =>
      readFileSync(inside(output, 'eval_predictions.json'), 'utf8');
    expect(predictions(two)).toBe(predictions(one));
    expect(Object.keys(json(two, 'eval_predictions.json'))).toHaveLength(7);
    const { f1, exact_match, total } = json(one, 'eval_results.json');
    expect(json(two, 'eval_results.json')).toMatchObject({ f1, exact_match, total: 7 });
    expect(total).toBe(7);
  });

  it('stop early where one process does', async () => {
    const early = ['--eval_steps', '1', '--early_stopping_patience', '2', '--learning_rate', '1e-4'];
    const [one, two] = await onBoth('early', ...early);
    const { step, stopped_early } = json(one, 'train_results.json');
    expect(json(two, 'train_results.json')).toMatchObject({ step, stopped_early });
    expect(stopped_early).toBe(true);
    expect(evaluationsOf(two)).toEqual(evaluationsOf(one));
    expectSameRun(one, two);
  });

  it('train several seeds to the results of one process', async () => {
    const [one, two] = await onBoth('seeds', '--seeds', '3,8', '--do_eval', '--num_train_epochs', '2');
    interface Run {
      readonly seed: number;
      readonly metrics: Entry;
    }
    const [alone, shared] = [one, two].map((output) => json(output, 'seeds.json')['runs'] as Run[]);
    expect(shared!.map(({ seed }) => seed)).toEqual([3, 8]);
    for (const [i, { seed, metrics }] of alone!.entries()) {
      const others = shared![i]!.metrics;
      for (const name of ['eval_f1', 'eval_exact_match', 'eval_total', 'step'])
        expect(others[name], name).toBe(metrics[name]);
      expect(Math.abs(others['train_loss']! / metrics['train_loss']! - 1)).toBeLessThan(TOLERANCE);
      expectSameRun(join(one, `seed-${seed}`), join(two, `seed-${seed}`));
    }
    expect(alone![0]!.metrics['train_loss']).not.toBe(alone![1]!.metrics['train_loss']);
  });

  it('leave an evaluation, all of them, when one of them is asked to stop', async () => {
    const { data } = json('set.json') as { data: [{ paragraphs: [{ context: string; qas: object[] }] }] };
    const [{ context, qas }] = data[0].paragraphs;
    const repeated = Array.from({ length: 6000 }, (_, i) => ({ ...qas[i % 7]!, id: `many-${i}` }));
    const paragraphs = [{ context, qas: repeated }];
    writeFileSync(inside('many.json'), JSON.stringify({ data: [{ title: 't', paragraphs }] }));
    const args = finetune('stopped', 2, '--eval_steps', '2', '--per_device_eval_batch_size', '1');
    const evaluated = args.map((arg, i) => (args[i - 1] === '--validation_file' ? inside('many.json') : arg));
    const job = spawn(
      'mpirun',
      ['-n', '2', '--bind-to', 'none', process.execPath, ...program, ...evaluated],
      {
        env: { ...process.env, ...mpirunEnvironment },
      },
    );
    let err = '';
    let isAsked = false;
    job.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (isAsked || !err.includes('step 2/12  epoch')) return;
      isAsked = true;
      // The update is over, and thousands of questions are before it.
      setTimeout(() => process.kill(pidOfRank(1, inside('stopped')), 'SIGTERM'), 100);
    });
    const exitCode = await new Promise((resolve) => job.on('close', resolve));
    expect(err).toContain('stopped after 2 updates, in checkpoint-2');
    expect(exitCode).toBe(0);
    expect(evaluationsOf('stopped', 'checkpoint-2')).toEqual([]);
    expect(readdirSync(inside('stopped'))).not.toContain('model.safetensors');
  });
});
