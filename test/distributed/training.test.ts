/**
 * Two ranks with batch b train like one process with batch 2b: the losses and weights of finetune and pretrain, with and
 * without a sharded optimizer, stopped and resumed, and what evaluation and prepare give on several ranks.
 */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildIfStale } from '../e2e/built-program.ts';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { letterCorpus } from '../pretraining/letter-corpus.ts';
import { hasMpirun } from './mpirun.ts';
import {
  bertram,
  bertramOn,
  finetuneArguments,
  lossDifference,
  resultOf,
  weightDifference,
  WITHOUT_GRADIENT,
  writeQuestions,
} from './ranks.ts';

const TOLERANCE = 1e-5;
let directory: string;
let questions: string;
const inside = (...path: string[]): string => join(directory, ...path);

async function done(run: ReturnType<typeof bertram>): Promise<string> {
  const { exitCode, out, err } = await run;
  if (exitCode !== 0) throw new Error(err);
  return out;
}

beforeAll(buildIfStale, 180_000);
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bertram-ranks-'));
  questions = writeQuestions(directory);
});

describe.skipIf(!hasMpirun)('two ranks (skipped without mpirun)', () => {
  const finetune = (output: string, ...more: string[]) =>
    finetuneArguments(questions, inside(output), '--num_train_epochs', '3', ...more);
  const batch = (size: number): string[] => ['--per_device_train_batch_size', String(size)];
  const accumulated = ['--gradient_accumulation_steps', '2', '--group_by_length', '--max_grad_norm', '0.5'];

  beforeAll(async () => {
    await done(bertram(finetune('one', ...batch(4))));
  });

  it('finetune: losses and weights of one process with twice the batch', async () => {
    await done(bertramOn(2, finetune('two', ...batch(2), '--local_rank=0')));
    const [one, two] = [resultOf(inside('one')), resultOf(inside('two'))];
    expect(one.losses).toHaveLength(9);
    expect(lossDifference(one, two)).toBeLessThan(TOLERANCE);
    expect(weightDifference(one, two, WITHOUT_GRADIENT)).toBeLessThan(TOLERANCE);
    // All of this would be true of a run that learns nothing.
    expect(one.losses.at(-1)).toBeLessThan(one.losses[0]! * 0.9);
  });

  it('finetune --shard_optimizer: the same, and the same checkpoint', async () => {
    await done(bertramOn(2, finetune('sharded', ...batch(2), '--shard_optimizer', '--save_steps', '4')));
    const [one, two] = [resultOf(inside('one')), resultOf(inside('sharded'))];
    expect(lossDifference(one, two)).toBeLessThan(TOLERANCE);
    expect(weightDifference(one, two, WITHOUT_GRADIENT)).toBeLessThan(TOLERANCE);

    // One process goes on from it, with all moments, to where it would have come alone.
    const from = ['--resume_from_checkpoint', inside('sharded', 'checkpoint-4')];
    await done(bertram(finetune('resumed-alone', ...batch(4), ...from)));
    expect(weightDifference(one, resultOf(inside('resumed-alone')), WITHOUT_GRADIENT)).toBeLessThan(
      TOLERANCE,
    );
    await done(bertramOn(2, finetune('resumed-sharded', ...batch(2), '--shard_optimizer', ...from)));
    const resumed = resultOf(inside('resumed-sharded'));
    expect(weightDifference(two, resumed, WITHOUT_GRADIENT)).toBeLessThan(TOLERANCE);
  });

  it('finetune with accumulation, grouping by length and clipping, on three ranks of which some have nothing', async () => {
    await done(bertram(finetune('accumulated-one', ...batch(3), ...accumulated)));
    await done(bertramOn(3, finetune('accumulated-three', ...batch(1), ...accumulated)));
    const [one, three] = [resultOf(inside('accumulated-one')), resultOf(inside('accumulated-three'))];
    expect(Math.max(...one.gradientNorms)).toBeGreaterThan(0.5);
    expect(lossDifference(one, three)).toBeLessThan(TOLERANCE);
    expect(weightDifference(one, three, WITHOUT_GRADIENT)).toBeLessThan(TOLERANCE);
  });

  it('evaluate: each question once, with the numbers of one process', async () => {
    const args = (output: string): string[] => [
      ...['evaluate', '--model', inside('one'), '--dataset', questions, '--max-seq-length', '48'],
      ...['--doc-stride', '16', '--threads', '1', '--output-dir', inside(output), '--json'],
    ];
    const one = JSON.parse(await done(bertram(args('answers-one')))) as Record<string, number>;
    const three = JSON.parse(await done(bertramOn(3, args('answers-three')))) as Record<string, number>;
    for (const name of ['exact_match', 'f1', 'total', 'windows', 'truncated_questions'])
      expect(three[name], name).toBe(one[name]);
    expect(one['total']).toBe(7);
    expect(one['exact_match']).toBeGreaterThan(0);
    const predictions = (output: string): string => readFileSync(inside(output, 'predictions.json'), 'utf8');
    expect(predictions('answers-three')).toBe(predictions('answers-one'));
  });

  it('prepare: the same bytes; pretrain: losses and weights of one process, and the same evaluation', async () => {
    writeFileSync(inside('corpus.txt'), letterCorpus);
    const prepare = (output: string): string[] => [
      ...['prepare', '--input', inside('corpus.txt'), '--output', inside(output), '--held-out', '0.3'],
      ...['--vocab', join(goldenModel, 'vocab.txt'), '--max-seq-length', '32', '--workers', '1'],
      ...['--max-predictions-per-seq', '5', '--dupe-factor', '2', '--shard-pieces', '500'],
    ];
    await done(bertram(prepare('shards-one')));
    await done(bertramOn(2, prepare('shards-two')));
    const files = readdirSync(inside('shards-one'), { recursive: true, encoding: 'utf8' }).sort();
    expect(files.filter((file) => file.endsWith('.safetensors')).length).toBeGreaterThan(4);
    expect(readdirSync(inside('shards-two'), { recursive: true, encoding: 'utf8' }).sort()).toEqual(files);
    for (const file of files.filter((name) => /\.\w+$/.test(name)))
      expect(
        readFileSync(inside('shards-two', file)).equals(readFileSync(inside('shards-one', file))),
        file,
      ).toBe(true);

    const pretrain = (output: string, size: number): string[] => [
      ...['pretrain', '--data', inside('shards-one'), '--config', join(goldenModel, 'config.json')],
      ...['--output-dir', inside(output), '--train-batch-size', String(size), '--num-train-steps', '8'],
      ...['--learning-rate', '1e-3', '--num-warmup-steps', '2', '--dropout', '0', '--threads', '1'],
      ...['--logging-steps', '1', '--do-eval', '--eval-batch-size', '5', '--json'],
    ];
    const alone = JSON.parse(await done(bertram(pretrain('pretrained-one', 14)))) as Record<string, number>;
    const shared = JSON.parse(await done(bertramOn(2, pretrain('pretrained-two', 7)))) as Record<
      string,
      number
    >;
    const [one, two] = [resultOf(inside('pretrained-one')), resultOf(inside('pretrained-two'))];
    expect(one.losses).toHaveLength(8);
    expect(lossDifference(one, two)).toBeLessThan(TOLERANCE);
    expect(weightDifference(one, two, /key\.bias$/)).toBeLessThan(TOLERANCE);
    for (const name of ['eval_samples', 'eval_predictions', 'eval_nsp_accuracy', 'eval_mlm_accuracy'])
      expect(shared[name], name).toBe(alone[name]);
    for (const name of ['eval_loss', 'eval_mlm_loss'])
      expect(Math.abs(shared[name]! / alone[name]! - 1), name).toBeLessThan(TOLERANCE);
  });
});
