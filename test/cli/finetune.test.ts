/** `bertram finetune` with the flags of run_qa.py, spelled as there, on a small model. */
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { run } from './captured-terminal.ts';

const context = 'In 1821 Ada came first, and Bob was second.';
const qas = ['Ada', 'Bob', '1821', 'second'].map((text, i) => ({
  id: `question-${i}`,
  question: 'Who or what?',
  answers: [{ text, answer_start: context.indexOf(text) }],
}));

let directory: string;
let file: string;
let withoutAnswer: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-finetune-'));
  file = join(directory, 'set.json');
  withoutAnswer = join(directory, 'set-v2.json');
  const squad = (all: object[]) =>
    JSON.stringify({ data: [{ title: 't', paragraphs: [{ context, qas: all }] }] });
  await writeFile(file, squad(qas));
  await writeFile(
    withoutAnswer,
    squad([{ id: 'x', question: 'Why?', answers: [], is_impossible: true }, ...qas]),
  );
});

const json = async (...path: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as Record<string, unknown>;

/** The card's command, with sizes for a small model. */
const card = (output: string): string[] => [
  'finetune',
  ...['--model_name_or_path', goldenModel, '--train_file', file, '--validation_file', file],
  ...[
    '--do_train',
    '--do_eval',
    '--learning_rate',
    '3e-3',
    '--num_train_epochs',
    '3',
    '--max_seq_length',
    '96',
  ],
  ...['--doc_stride', '16', '--output_dir', output, '--per_device_train_batch_size', '2', '--threads', '1'],
  ...[
    '--per_device_eval_batch_size=2',
    '--logging_steps',
    '2',
    '--save_steps',
    '2',
    '--save_total_limit',
    '2',
  ],
];

describe('the card’s command', () => {
  it('trains, evaluates and leaves everything in the output directory', async () => {
    const output = join(directory, 'whole');
    const { exitCode, out, err } = await run(card(output));
    expect(err).toContain('4 windows, 6 updates');
    expect(err).toMatch(/step 2\/6 {2}epoch 1\.00 {2}loss \d+\.\d{4} {2}learning rate 2\.50e-3/);
    expect(exitCode).toBe(0);
    expect((await readdir(output)).sort()).toEqual(
      [
        ...[
          'checkpoint-2',
          'checkpoint-4',
          'config.json',
          'eval_nbest_predictions.json',
          'eval_predictions.json',
        ],
        ...['eval_results.json', 'model.safetensors', 'tokenizer_config.json', 'train_results.json'],
        ...['report.html', 'report.json', 'runs', 'trainer_state.json', 'vocab.txt'],
      ].sort(),
    );
    const { log_history: log, global_step } = await json(output, 'trainer_state.json');
    expect(global_step).toBe(6);
    expect((log as { step: number }[]).map(({ step }) => step)).toEqual([2, 4, 6]);
    expect(await json(output, 'train_results.json')).toMatchObject({ step: 6, train_samples: 4, epoch: 3 });
    const results = await json(output, 'eval_results.json');
    expect(JSON.parse(out)).toEqual(results);
    expect(results).toMatchObject({ total: 4, windows: 4 });
    expect(Object.keys(await json(output, 'eval_predictions.json'))).toEqual(qas.map(({ id }) => id));
  });

  it('goes on from the newest checkpoint to the same weights', async () => {
    const whole = join(directory, 'whole');
    const before = await readFile(join(whole, 'model.safetensors'));
    const { exitCode, err } = await run([...card(whole), '--resume_from_checkpoint']);
    expect(err).toContain('6 updates, resumed at 4');
    expect(exitCode).toBe(0);
    expect((await readFile(join(whole, 'model.safetensors'))).equals(before)).toBe(true);
  });

  it.each([['--gradient_checkpointing'], ['--gradient_checkpointing', 'cheap']])(
    'ends with the same weights with %s %s',
    async (...flags) => {
      const before = await readFile(join(directory, 'whole', 'model.safetensors'));
      const output = join(directory, flags.join('-'));
      expect(await run([...card(output), ...flags])).toMatchObject({ exitCode: 0 });
      expect((await readFile(join(output, 'model.safetensors'))).equals(before)).toBe(true);
    },
  );
});

describe('what is wrong is refused before any work, in one line', () => {
  const refusal = async (args: string[]): Promise<string> => {
    const { exitCode, out, err } = await run(args);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    expect(err).toMatch(/^bertram finetune: [^\n]*\n$/);
    return err.slice('bertram finetune: '.length, -1).replaceAll(directory, 'DIR');
  };
  const other = (name: string): string[] => card(join(directory, name));

  it('a directory that holds other work', async () => {
    expect(await refusal(other('whole'))).toMatch(
      /^--output_dir: DIR\/whole: expected an empty directory, --overwrite_output_dir or --resume_from_checkpoint, got \d+ files$/,
    );
  });

  it('nothing to do, and training without data', async () => {
    const model = ['--model_name_or_path', goldenModel, '--output_dir', join(directory, 'none')];
    expect(await refusal(['finetune', ...model])).toBe('expected --do_train or --do_eval, got neither');
    expect(await refusal(['finetune', ...model, '--do_train'])).toBe(
      '--do_train: expected a --train_file, got none',
    );
    expect(await refusal(['finetune', ...model, '--do_eval'])).toBe(
      '--do_eval: expected a --validation_file, got none',
    );
  });

  it('questions without an answer that were not announced', async () => {
    const args = other('v2').map((arg, i, all) => (all[i - 1] === '--train_file' ? withoutAnswer : arg));
    expect(await refusal(args)).toContain(
      'expected questions with answers, or --version_2_with_negative, got 1 without an answer',
    );
  });

  it('the name of a data set, while none can be downloaded', async () => {
    const args = ['finetune', '--model_name_or_path', goldenModel, '--dataset_name', 'squad', '--do_train'];
    expect(await refusal([...args, '--output_dir', join(directory, 'none')])).toBe(
      '--dataset_name squad: data sets cannot be downloaded yet; give --train_file and --validation_file',
    );
  });

  it('a checkpoint that is not there', async () => {
    expect(await refusal([...other('fresh'), '--resume_from_checkpoint'])).toBe(
      '--resume_from_checkpoint: DIR/fresh: expected a checkpoint-N directory, got none',
    );
  });

  it('an option that does not exist, with the near name', async () => {
    expect(await refusal([...other('typo'), '--learning_rat', '1'])).toMatch(/learning.rate/);
  });
});
