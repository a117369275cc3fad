/** `bertram prepare` to `bertram pretrain` to `bertram finetune` on a small model, and what is refused. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { letterCorpus } from '../pretraining/letter-corpus.ts';
import { run, runJson } from './captured-terminal.ts';

let directory: string;
const inside = (...path: string[]): string => join(directory, ...path);
const json = async (...path: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(inside(...path), 'utf8')) as Record<string, unknown>;
const weights = (output: string): Promise<Buffer> => readFile(inside(output, 'model.safetensors'));

async function prepare(output: string, length: number, vocab: string): Promise<void> {
  const args = ['prepare', '--input', inside('corpus.txt'), '--output', inside(output), '--vocab', vocab];
  const sizes = ['--max-seq-length', `${length}`, '--max-predictions-per-seq', '5', '--dupe-factor', '2'];
  const { exitCode, err } = await run([...args, ...sizes, '--held-out', '0.2', '--workers', '1']);
  if (exitCode !== 0) throw new Error(err);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-pretrain-'));
  await writeFile(inside('corpus.txt'), letterCorpus);
  const vocab = join(goldenModel, 'vocab.txt');
  await writeFile(inside('other-vocab.txt'), `${await readFile(vocab, 'utf8')}another\n`);
  await prepare('shards-32', 32, vocab);
  await prepare('shards-64', 64, vocab);
  await prepare('shards-128', 128, vocab);
  await prepare('other-shards', 32, inside('other-vocab.txt'));
  const phase = (length: number, share: number, data = `shards-${length}`) => ({
    ...{ data, max_seq_length: length, max_predictions_per_seq: 5, share },
  });
  const model = JSON.parse(await readFile(join(goldenModel, 'config.json'), 'utf8')) as object;
  const recipe = { vocab_size: (model as { vocab_size: number }).vocab_size, model, num_train_steps: 10 };
  const write = (name: string, phases: object[], more: object = {}): Promise<void> =>
    writeFile(inside(name), JSON.stringify({ ...recipe, train_batch_size: 4, phases, ...more }));
  await write('recipe.json', [phase(32, 0.8), phase(64, 0.2)]);
  await write('two-vocabularies.json', [phase(32, 0.8), phase(32, 0.2, 'other-shards')]);
  await write('shares.json', [phase(32, 0.8)]);
  await write('misspelt.json', [phase(32, 1)], { learning_rates: 1 });
});

const common = ['--threads', '1', '--learning-rate', '1e-3'];
const args = (output: string, ...more: string[]): string[] => [
  ...['pretrain', '--data', inside('shards-32'), '--config', join(goldenModel, 'config.json')],
  ...[
    '--output_dir',
    inside(output),
    '--train_batch_size',
    '4',
    '--num_train_steps',
    '6',
    ...common,
    ...more,
  ],
];
const recipeArgs = (output: string, ...more: string[]): string[] => [
  ...['pretrain', '--config', inside('recipe.json'), '--output-dir', inside(output), ...common, ...more],
];

describe('a run', () => {
  it('trains, evaluates and leaves everything in the output directory', async () => {
    const { exitCode, out, err } = await run(
      args('one', '--do-eval', '--save-checkpoints-steps', '4', '--logging-steps', '3'),
    );
    expect(err).toMatch(/^6 updates of 4 examples\n\d+ examples, 6 updates\nstep 3\/6 /);
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^eval_mlm_accuracy +\d/m);
    expect((await readdir(inside('one'))).sort()).toEqual([
      ...['checkpoint-4', 'config.json', 'eval_results.json', 'model.safetensors', 'report.html'],
      ...['report.json', 'runs', 'tokenizer_config.json', 'train_results.json', 'trainer_state.json'],
      'vocab.txt',
    ]);
    expect(await json('one', 'config.json')).toMatchObject({ architectures: ['BertForPreTraining'] });
    expect(await json('one', 'eval_results.json')).toMatchObject({
      eval_mlm_loss: expect.any(Number) as number,
    });
    const { log_history: log } = await json('one', 'trainer_state.json');
    expect((log as { step: number }[]).map(({ step }) => step)).toEqual([3, 6, 6]);
  });

  it('ends with its best model, whose evaluation is the one that is told', async () => {
    // Loss falls, so that the best by the wrong direction is an early one.
    const best = ['--load_best_model_at_end', '--metric_for_best_model', 'mlm_loss', '--greater_is_better'];
    const { exitCode, err } = await run(args('best', '--do-eval', '--eval-steps', '1', ...best));
    expect(err).toContain('(the best eval_mlm_loss)');
    expect(exitCode).toBe(0);
    const { log_history: log, ...state } = await json('best', 'trainer_state.json');
    const evaluations = (log as Record<string, number>[]).filter((entry) => 'eval_mlm_loss' in entry);
    const losses = evaluations.map((entry) => entry['eval_mlm_loss']!);
    const step = 1 + losses.indexOf(Math.max(...losses));
    expect(step).toBeLessThan(6);
    expect(state).toMatchObject({ best_metric: Math.max(...losses), best_global_step: step });
    expect(await weights('best')).toEqual(await weights(join('best', `checkpoint-${step}`)));
    expect(await json('best', 'eval_results.json')).toMatchObject({ eval_mlm_loss: Math.max(...losses) });
  });

  it('goes on from its newest checkpoint to the same weights, and auto starts where there is none', async () => {
    const before = await weights('one');
    const resumed = await run(args('one', '--resume-from-checkpoint', '--save-checkpoints-steps', '4'));
    expect(resumed.err).toContain('6 updates, resumed at 4');
    expect((await weights('one')).equals(before)).toBe(true);
    const fresh = await run(args('fresh', '--resume-from-checkpoint', 'auto'));
    expect(fresh.exitCode).toBe(0);
    expect((await weights('fresh')).equals(before)).toBe(true);
  });

  it('reads the records of the reference program', async () => {
    await mkdir(inside('records'));
    await cp('test/golden/pretraining/examples.tfrecord', inside('records', 'examples.tfrecord'));
    await cp(join(goldenModel, 'vocab.txt'), inside('records', 'vocab.txt'));
    const data = ['--data', inside('records', 'examples.tfrecord'), '--uncased', '--max-steps', '1'];
    const { exitCode, err } = await run(args('of-records', ...data));
    expect(err).toContain('20 examples, 1 updates');
    expect(exitCode).toBe(0);
    expect(await json('of-records', 'tokenizer_config.json')).toMatchObject({ do_lower_case: true });
  });

  it('stops at --max-steps without changing the schedule', async () => {
    const rates = async (output: string): Promise<unknown[]> =>
      ((await json(output, 'trainer_state.json'))['log_history'] as Record<string, number>[]).map(
        (entry) => entry['learning_rate'],
      );
    await run(args('stopped', '--max-steps', '3', '--logging-steps', '1', '--num-warmup-steps', '2'));
    await run(args('unstopped', '--logging-steps', '1', '--num-warmup-steps', '2'));
    expect(await rates('stopped')).toEqual((await rates('unstopped')).slice(0, 3));
    expect(await rates('unstopped')).toHaveLength(6);
  });

  it('computes an update in parts to almost the same loss', async () => {
    const losses = (await Promise.all(
      [[], ['--gradient-accumulation-steps', '2']].map((more, i) =>
        runJson(args(`parts-${i}`, '--json', '--dropout', '0', '--max-steps', '1', ...more)),
      ),
    )) as { train_loss: number }[];
    // Halves with different numbers of masked places weigh them differently.
    expect(losses[1]!.train_loss / losses[0]!.train_loss).toBeCloseTo(1, 1);
  });

  it('starts the second phase of a recipe from the weights of the first, and resumes between them', async () => {
    const { exitCode, err } = await run(recipeArgs('phases', '--save-checkpoints-steps', '1'));
    expect(exitCode).toBe(0);
    expect(err).toContain('phase 1 of 2: 8 updates of 4 examples');
    expect(err).toContain('phase 2 of 2: 2 updates of 4 examples');
    expect(await json('phases', 'phase-1', 'train_results.json')).toMatchObject({ step: 8 });
    const byHand = await run([
      ...['pretrain', '--config', inside('phases', 'phase-1', 'config.json'), '--data', inside('shards-64')],
      ...['--init-checkpoint', inside('phases', 'phase-1'), '--output-dir', inside('by-hand')],
      ...['--num-train-steps', '2', '--train-batch-size', '4', ...common],
    ]);
    expect(byHand.exitCode).toBe(0);
    const whole = await weights('phases');
    expect((await weights('by-hand')).equals(whole)).toBe(true);

    await rm(inside('phases', 'model.safetensors'));
    const resumed = await run(recipeArgs('phases', '--resume-from-checkpoint'));
    expect(resumed.err).toContain('phase 1 of 2: is done');
    expect(resumed.err).toContain('2 updates, resumed at 1');
    expect((await weights('phases')).equals(whole)).toBe(true);
  });

  it('goes on from a checkpoint of either phase that is named, to the same weights', async () => {
    const whole = await weights('phases');
    const ofFirst = inside('phases', 'phase-1', 'checkpoint-7');
    const fromFirst = await run(recipeArgs('phases', '--resume-from-checkpoint', ofFirst));
    expect(fromFirst.err).toContain('8 updates, resumed at 7');
    expect(fromFirst.err).toMatch(/phase 2 of 2: .*\n\d+ examples, 2 updates\n/);
    expect((await weights('phases')).equals(whole)).toBe(true);

    // A checkpoint has all that its phase takes from the one before.
    await rm(inside('phases', 'phase-1'), { recursive: true });
    await rm(inside('phases', 'model.safetensors'));
    const ofSecond = inside('phases', 'checkpoint-1');
    const fromSecond = await run(recipeArgs('phases', '--resume-from-checkpoint', ofSecond));
    expect(fromSecond.err).toContain('phase 1 of 2: is done');
    expect(fromSecond.err).toContain('2 updates, resumed at 1');
    expect((await weights('phases')).equals(whole)).toBe(true);
  });

  it('makes a model that finetune starts from', async () => {
    const context = 'In 1821 Ada came first.';
    const qas = [{ id: 'x', question: 'Who?', answers: [{ text: 'Ada', answer_start: 8 }] }];
    const set = JSON.stringify({ data: [{ title: 't', paragraphs: [{ context, qas }] }] });
    await writeFile(inside('set.json'), set);
    const { exitCode, err } = await run([
      ...[
        'finetune',
        '--model_name_or_path',
        inside('one'),
        '--train_file',
        inside('set.json'),
        '--do_train',
      ],
      ...[
        '--output_dir',
        inside('tuned'),
        '--max_steps',
        '1',
        '--max_seq_length',
        '64',
        '--threads',
        '1',
        '--doc_stride',
        '8',
      ],
    ]);
    expect(exitCode).toBe(0);
    expect(err).toContain('begin at random: qa_outputs.weight, qa_outputs.bias\n');
    expect(err).toMatch(/of no use here: .*cls\.predictions\.transform\.dense\.weight/);
    expect(await json('tuned', 'config.json')).toMatchObject({ architectures: ['BertForQuestionAnswering'] });
  });
});

describe('--plan', () => {
  it('says what a recipe costs and trains nothing', async () => {
    const plan = (await runJson(recipeArgs('unmade', '--plan', '--json'))) as Record<string, unknown>;
    expect(plan).toMatchObject({ steps: 10, examples: 40, tokens: 8 * 4 * 32 + 2 * 4 * 64 });
    expect(plan['hours']).toBeGreaterThan(0);
    expect(existsSync(inside('unmade'))).toBe(false);
  });
});

describe('what is wrong is refused before any work, in one line', () => {
  const refusal = async (wrong: string[]): Promise<string> => {
    const { exitCode, out, err } = await run(wrong);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    expect(err).toMatch(/^bertram pretrain: [^\n]*\n$/);
    return err.slice('bertram pretrain: '.length, -1).replaceAll(directory, 'DIR');
  };

  it('missing options', async () => {
    const options = ['--data', inside('shards-32'), '--config', 'mini', '--output-dir', inside('none')];
    const without = (name: string): string[] => {
      const at = options.indexOf(name);
      return ['pretrain', ...options.slice(0, at), ...options.slice(at + 2)];
    };
    expect(await refusal(without('--config'))).toMatchInlineSnapshot(
      `"expected --config or --init-checkpoint, got neither"`,
    );
    expect(await refusal(without('--data'))).toMatchInlineSnapshot(`"expected --data <dir>, got none"`);
    expect(await refusal(without('--output-dir'))).toMatchInlineSnapshot(
      `"expected --output-dir <dir>, got none"`,
    );
  });

  it('no updates, a warm-up without end, a batch that does not divide', async () => {
    expect(await refusal(args('none', '--num-train-steps', '0'))).toMatchInlineSnapshot(
      `"--num-train-steps: expected a whole number from 1, got "0""`,
    );
    expect(await refusal(args('none', '--num-warmup-steps', '7'))).toMatchInlineSnapshot(
      `"pretraining: num_warmup_steps: expected at most the 6 updates (num_train_steps), got 7"`,
    );
    expect(await refusal(args('none', '--gradient-accumulation-steps', '3'))).toMatchInlineSnapshot(
      `"pretraining: gradient_accumulation_steps: expected a divisor of the train_batch_size 4, got 3"`,
    );
  });

  it('a directory without shards, or none', async () => {
    await mkdir(inside('empty'));
    expect(await refusal(args('none', '--data', inside('empty')))).toMatchInlineSnapshot(
      `"DIR/empty: expected manifest.json of bertram prepare, got none"`,
    );
    expect(await refusal(args('none', '--data', inside('nowhere')))).toMatchInlineSnapshot(
      `"DIR/nowhere: cannot be read: no such file or directory (ENOENT)"`,
    );
  });

  it('examples to evaluate on that are not there', async () => {
    await cp(inside('shards-32'), inside('no-held-out'), { recursive: true });
    await rm(inside('no-held-out', 'held-out'), { recursive: true });
    expect(await refusal(args('none', '--data', inside('no-held-out'), '--do-eval'))).toMatchInlineSnapshot(
      `"DIR/no-held-out/held-out: expected held-out examples to evaluate on, got no such directory"`,
    );
    expect(await refusal(args('none', '--eval-steps', '5'))).toMatchInlineSnapshot(
      `"evaluation: expected --do-eval, got only options of it"`,
    );
  });

  it('a vocabulary that is not that of the model, of its configuration, or of the other phase', async () => {
    expect(await refusal(args('none', '--data', inside('other-shards')))).toMatchInlineSnapshot(
      `"config: vocab_size: expected the 100 entries of the vocabulary of DIR/other-shards, got 99"`,
    );
    expect(
      await refusal(args('none', '--data', inside('other-shards'), '--init-checkpoint', goldenModel)),
    ).toMatchInlineSnapshot(
      `"DIR/other-shards: expected the vocabulary of test/golden/bert (SHA-256 4082d53c6188…), got another (3b5e4377c03b…)"`,
    );
    const other = ['pretrain', '--config', inside('two-vocabularies.json'), '--output-dir', inside('none')];
    expect(await refusal(other)).toMatchInlineSnapshot(
      `"phase 2: expected the vocabulary of phase 1, got another"`,
    );
  });

  it('examples longer than the model', async () => {
    expect(await refusal(args('none', '--data', inside('shards-128')))).toMatchInlineSnapshot(
      `"DIR/shards-128: max_seq_length: expected at most the 96 positions of the model (max_position_embeddings), got 128"`,
    );
  });

  it('recipes that do not add up, or have unknown fields', async () => {
    const by = (name: string): string[] => [
      'pretrain',
      '--config',
      inside(name),
      '--output-dir',
      inside('none'),
    ];
    expect(await refusal(by('shares.json'))).toMatchInlineSnapshot(
      `"DIR/shares.json: phases: expected shares that sum to 1, got 0.8"`,
    );
    expect(await refusal(by('misspelt.json'))).toMatchInlineSnapshot(
      `"DIR/misspelt.json: expected known fields, got "learning_rates""`,
    );
    expect(await refusal(by('missing.json'))).toMatchInlineSnapshot(
      `"DIR/missing.json: cannot be read: no such file or directory (ENOENT)"`,
    );
  });

  it('a directory that holds another run, and a checkpoint that is not there', async () => {
    expect(await refusal(args('one'))).toMatch(
      /^--output_dir: DIR\/one: expected an empty directory, --overwrite_output_dir or --resume_from_checkpoint, got \d+ files$/,
    );
    expect(await refusal(args('none', '--resume-from-checkpoint'))).toMatchInlineSnapshot(
      `"--resume_from_checkpoint: DIR/none: expected a checkpoint-N directory, got none"`,
    );
    const ofAnother = recipeArgs('none', '--resume-from-checkpoint', inside('one', 'checkpoint-4'));
    expect(await refusal(ofAnother)).toMatchInlineSnapshot(
      `"--resume_from_checkpoint: expected a checkpoint of a phase, in DIR/none/phase-1 or DIR/none, got DIR/one/checkpoint-4"`,
    );
  });
});
