/** `bertram finetune` evaluating while it trains, ending with its best model, and running several seeds. */
import { mkdtempSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { run, type Run } from './captured-terminal.ts';

const context = 'In 1821 Ada came first, and Bob was second.';
const qas = ['Ada', 'Bob', '1821', 'second'].map((text, i) => ({
  id: `question-${i}`,
  question: 'Who or what?',
  answers: [{ text, answer_start: context.indexOf(text) }],
}));

const directory = mkdtempSync(join(tmpdir(), 'bertram-evaluation-'));
afterAll(() => rm(directory, { recursive: true }));
const file = join(directory, 'set.json');
beforeAll(() => writeFile(file, JSON.stringify({ data: [{ title: 't', paragraphs: [{ context, qas }] }] })));

const inside = (...path: string[]): string => join(directory, ...path);
const json = async (...path: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(inside(...path), 'utf8')) as Record<string, unknown>;

/** 4 questions in batches of 2: 2 updates an epoch. */
const command = (output: string, ...more: string[]): string[] => [
  ...['finetune', '--model_name_or_path', goldenModel, '--train_file', file, '--validation_file', file],
  ...['--do_train', '--learning_rate', '3e-3', '--num_train_epochs', '4', '--max_seq_length', '96'],
  ...['--doc_stride', '16', '--output_dir', inside(output), '--per_device_train_batch_size', '2'],
  ...['--threads', '1', '--logging_steps', '2', ...more],
];

type Entry = Readonly<Record<string, number>>;

describe('evaluation while training', () => {
  it('scores the weights of the moment, as an evaluation of their checkpoint does', async () => {
    const asked = ['--eval_steps', '2', '--save_steps', '2', '--load_best_model_at_end', '--do_eval'];
    const { exitCode, err } = await run(command('steps', ...asked));
    expect(err).toContain('eval_exact_match');
    expect(exitCode).toBe(0);
    const state = await json('steps', 'trainer_state.json');
    const evaluations = (state['log_history'] as Entry[]).filter((entry) => 'eval_f1' in entry);
    expect(evaluations.map(({ step }) => step)).toEqual([2, 4, 6, 8]);
    for (const { step, eval_f1, eval_exact_match } of evaluations.slice(0, 3)) {
      const checkpoint = inside('steps', `checkpoint-${step!}`);
      const settings = ['--max-seq-length', '96', '--doc-stride', '16', '--threads', '1', '--json'];
      const judged = await run(['evaluate', '--model', checkpoint, '--dataset', file, ...settings]);
      expect(JSON.parse(judged.out)).toMatchObject({ f1: eval_f1, exact_match: eval_exact_match });
    }
    // The scores differ, so that the best one can be told from the others.
    const scores = evaluations.map(({ eval_f1 }) => eval_f1!);
    expect(new Set(scores).size).toBeGreaterThan(1);
    const best = evaluations[scores.indexOf(Math.max(...scores))]!;
    expect(state).toMatchObject({ best_metric: best['eval_f1'], best_global_step: best['step'] });
    expect(await json('steps', 'eval_results.json')).toMatchObject({ f1: best['eval_f1'] });
    if (best['step'] === 8) return;
    const weights = (...path: string[]): Promise<Buffer> => readFile(inside('steps', ...path));
    const ofBest = await weights(`checkpoint-${best['step']!}`, 'model.safetensors');
    expect((await weights('model.safetensors')).equals(ofBest)).toBe(true);
  });

  it('and the older name of the strategy, at the ends of epochs, change nothing of the training', async () => {
    const old = ['--evaluation_strategy', 'epoch', '--save_strategy', 'no'];
    expect((await run(command('epochs', ...old))).exitCode).toBe(0);
    const { log_history: log } = await json('epochs', 'trainer_state.json');
    const evaluated = (log as Entry[]).filter((entry) => 'eval_f1' in entry);
    expect(evaluated.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    expect((await readdir(inside('epochs'))).filter((name) => name.startsWith('checkpoint'))).toEqual([]);
    expect((await run(command('plain', '--save_steps', '0'))).exitCode).toBe(0);
    const [one, other] = await Promise.all(
      ['epochs', 'plain'].map((output) => readFile(inside(output, 'model.safetensors'))),
    );
    expect(one!.equals(other!)).toBe(true);
  });

  it('stops early', async () => {
    // Nothing is learnt, so that no evaluation is better than the first.
    const still = ['--eval_steps', '1', '--early_stopping_patience', '2', '--learning_rate', '1e-30'];
    const { exitCode, err } = await run(command('early', ...still));
    expect(exitCode).toBe(0);
    expect(err).toContain('stopped after update 3: 2 evaluations without improvement');
    expect(await json('early', 'train_results.json')).toMatchObject({ step: 3, stopped_early: true });
  });

  it('is refused, in one line, where its flags contradict each other', async () => {
    const refusal = async (...flags: string[]): Promise<string> => {
      const { exitCode, err } = await run(command('none', ...flags));
      expect(exitCode).toBe(2);
      expect(err).toMatch(/^bertram finetune: [^\n]*\n$/);
      return err.slice('bertram finetune: '.length, -1);
    };
    const best = '--load_best_model_at_end';
    expect([
      await refusal(best),
      await refusal(best, '--eval_strategy', 'epoch'),
      await refusal(best, '--eval_steps', '4', '--save_steps', '6'),
      await refusal(best, '--eval_steps', '4', '--save_steps', '0'),
      await refusal('--eval_steps', '4', '--eval_strategy', 'no'),
      await refusal('--eval_strategy', 'steps', '--evaluation_strategy', 'epoch'),
      await refusal('--eval_strategy', 'sometimes'),
      await refusal('--early_stopping_patience', '2'),
      await refusal('--early_stopping_threshold', '1', '--eval_steps', '2'),
      await refusal('--eval_steps', '2', '--metric_for_best_model', 'accuracy'),
      await refusal('--eval_steps', '2', best, 'perhaps'),
      await refusal('--seeds', '1,2,1'),
      await refusal('--seeds', '1,two'),
      await refusal('--seeds', '1,2', '--resume_from_checkpoint', 'checkpoint-4'),
    ]).toMatchInlineSnapshot(`
      [
        "--load_best_model_at_end: expected evaluation while training (--eval_strategy steps or epoch), got none",
        "--load_best_model_at_end: expected --save_strategy epoch, as that of evaluation, got steps",
        "--load_best_model_at_end: expected --save_steps in multiples of the 4 of --eval_steps, got 6",
        "--load_best_model_at_end: expected --save_steps in multiples of the 4 of --eval_steps, got 0",
        "--eval_steps: expected --eval_strategy steps, got no",
        "--evaluation_strategy: expected steps, as --eval_strategy, got epoch",
        "--eval-strategy: expected one of no, steps, epoch, got sometimes",
        "--early_stopping_patience: expected evaluation while training (--eval_strategy steps or epoch), got none",
        "--early_stopping_threshold: expected --early_stopping_patience beside it, got none",
        "--metric_for_best_model: expected one of f1, exact_match, got accuracy",
        "--load-best-model-at-end: expected true or false, got "perhaps"",
        "--seeds: expected different numbers, got 1 twice",
        "--seeds: expected a whole number from 0, got "two"",
        "--resume_from_checkpoint: expected auto with --seeds, got checkpoint-4",
      ]
    `);
    const without = command('none', '--eval_steps', '2').filter((_, i, all) => {
      const flag = all.indexOf('--validation_file');
      return i !== flag && i !== flag + 1;
    });
    expect((await run(without)).err).toContain('--eval_strategy: expected a --validation_file, got none');
  });
});

interface Seeds {
  readonly runs: { seed: number; directory: string; metrics: Record<string, number> }[];
  readonly summary: Record<string, { mean: number; std: number; min: number; max: number }>;
  readonly best: { seed: number };
}

describe('several seeds', () => {
  const seeds = ['--seeds', '3,4,8', '--do_eval', '--num_train_epochs', '2', '--save_steps', '2'];

  it('are runs of their own, with mean and sample deviation', async () => {
    const { exitCode, out, err } = await run(command('seeds', ...seeds));
    expect(exitCode).toBe(0);
    const report = JSON.parse(out) as Seeds;
    expect(await json('seeds', 'seeds.json')).toEqual(report);
    expect(report.runs.map(({ seed }) => seed)).toEqual([3, 4, 8]);
    const losses = report.runs.map(({ metrics }) => metrics['train_loss']!);
    expect(new Set(losses).size).toBe(3);
    const [a, b, c] = losses as [number, number, number];
    // The deviation of three by their differences: sqrt(((a-b)² + (b-c)² + (a-c)²) / 6).
    const deviation = Math.sqrt(((a - b) ** 2 + (b - c) ** 2 + (a - c) ** 2) / 6);
    const { mean, std, min, max } = report.summary['train_loss']!;
    expect([mean, std]).toEqual([expect.closeTo((a + b + c) / 3, 12), expect.closeTo(deviation, 12)]);
    expect([min, max]).toEqual([Math.min(a, b, c), Math.max(a, b, c)]);
    expect(Object.keys(report.summary)).toEqual(expect.arrayContaining(['eval_f1', 'eval_exact_match']));
    expect(err).toMatch(/^3 seeds +mean +deviation +lowest +highest$/m);
    const best = report.runs.reduce((most, one) =>
      one.metrics['eval_f1']! > most.metrics['eval_f1']! ? one : most,
    );
    expect(report.best).toEqual(best);

    // A run by itself is the same run.
    expect((await run(command('alone', '--seed', '4', ...seeds.slice(2)))).exitCode).toBe(0);
    const [alone, among] = await Promise.all(
      [inside('alone'), inside('seeds', 'seed-4')].map((path) => readFile(join(path, 'model.safetensors'))),
    );
    expect(alone!.equals(among!)).toBe(true);
  });

  it('that are finished are not repeated', async () => {
    const refused = await run(command('seeds', ...seeds));
    expect(refused.exitCode).toBe(2);
    expect(refused.err).toContain('--overwrite_output_dir or --resume_from_checkpoint auto');
    const before = await json('seeds', 'seeds.json');
    // The last one was interrupted after its first checkpoint, the second before it was judged.
    for (const name of ['train_results.json', 'eval_results.json', 'model.safetensors'])
      await rm(inside('seeds', 'seed-8', name));
    await rm(inside('seeds', 'seed-4', 'eval_results.json'));
    const { exitCode, out, err } = await run(command('seeds', ...seeds, '--resume_from_checkpoint', 'auto'));
    expect(exitCode).toBe(0);
    expect(err.match(/is trained/g)).toHaveLength(2);
    expect(err).toContain('4 updates, resumed at 2');
    const scores = ({ runs }: Seeds) =>
      runs.map(({ metrics }) => [metrics['train_loss'], metrics['eval_f1'], metrics['step']]);
    expect(scores(JSON.parse(out) as Seeds)).toEqual(scores(before as unknown as Seeds));
  });
});

/**
 * Runs a command that is sent SIGTERM when the loop of events has turned so often after a line has been printed. Every
 * run of the small model is a turn: so many windows later, an evaluation of more is under way.
 */
async function stoppedAfter(line: string, turns: number, args: string[]): Promise<Run> {
  let isOver = false;
  const countdown = (left: number): void => {
    if (isOver) return;
    if (left === 0) process.emit('SIGTERM', 'SIGTERM');
    else setImmediate(countdown, left - 1);
  };
  const onError = (text: string): void => {
    if (text.includes(line)) countdown(turns);
  };
  try {
    return await run(args, { onError });
  } finally {
    isOver = true;
  }
}

describe('a request to stop', () => {
  /** 300 questions, each of them a batch. */
  const many = inside('many.json');
  beforeAll(async () => {
    const repeated = Array.from({ length: 300 }, (_, i) => ({ ...qas[i % 4]!, id: `many-${i}` }));
    await writeFile(
      many,
      JSON.stringify({ data: [{ title: 't', paragraphs: [{ context, qas: repeated }] }] }),
    );
  });
  const judged = ['--validation_file', many, '--per_device_eval_batch_size', '1', '--max_steps', '4'];

  it('leaves an evaluation, and the run that goes on makes it as if nothing had been', async () => {
    const asked = [...judged, '--eval_steps', '2', '--save_steps', '4', '--load_best_model_at_end'];
    expect((await run(command('uncut', ...asked))).exitCode).toBe(0);
    const { exitCode, err } = await stoppedAfter('step 2/4  epoch', 60, command('cut', ...asked));
    expect(exitCode).toBe(0);
    expect(err).toMatch(
      /stopped after 2 updates, in checkpoint-2; to go on, --resume_from_checkpoint auto\n$/,
    );
    expect(await scores('cut', 'checkpoint-2')).toEqual([]);

    // It comes to the same in the last evaluation.
    const resumed = command('cut', ...asked, '--resume_from_checkpoint', 'auto');
    const again = await stoppedAfter('step 4/4  epoch', 60, resumed);
    expect(again.exitCode).toBe(0);
    expect(again.err).toContain('stopped after 4 updates, in checkpoint-4');
    expect((await run(resumed)).exitCode).toBe(0);
    expect(await scores('cut')).toEqual(await scores('uncut'));
    expect((await scores('cut')).map(({ step }) => step)).toEqual([2, 4]);
    const weights = (output: string): Promise<Buffer> => readFile(inside(output, 'model.safetensors'));
    expect((await weights('cut')).equals(await weights('uncut'))).toBe(true);
  });

  it('leaves the evaluation of the model that has been written', async () => {
    const args = command('last', ...judged, '--do_eval');
    const { exitCode, out, err } = await stoppedAfter('model written', 60, args);
    expect(exitCode).toBe(0);
    expect(out).toBe('');
    expect(err).toMatch(/stopped before the model was judged; .* --model_name_or_path \S*last\n$/);
    const written = await readdir(inside('last'));
    expect(written).toContain('model.safetensors');
    expect(written).not.toContain('eval_results.json');
  });

  /** The log of a run or of a checkpoint without what the clock says, its evaluations only. */
  async function scores(...path: string[]): Promise<Entry[]> {
    const { log_history: log } = await json(...path, 'trainer_state.json');
    return (log as Entry[])
      .filter((entry) => 'eval_f1' in entry)
      .map(
        ({ step, epoch, eval_f1, eval_exact_match }) => ({ step, epoch, eval_f1, eval_exact_match }) as Entry,
      );
  }
});
