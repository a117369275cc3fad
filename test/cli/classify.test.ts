/** `bertram classify train` and `predict`: both modes, what they leave behind, and what they refuse. */
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { run, runJson } from './captured-terminal.ts';

let directory: string;
const at = (name: string): string => join(directory, name);
const rows = Array.from({ length: 24 }, (_, i) => [
  `${'xy'[i % 2]!} ${i}`,
  'abc'[i % 3]!,
  ['even', 'odd'][i % 2]!,
]);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-classify-'));
  await writeFile(at('set.csv'), `first,second,class\n${rows.map((row) => row.join(',')).join('\n')}\n`);
  await writeFile(at('other.csv'), 'first,second,class\nx,a,neither\n');
});

const base = (output: string): string[] => [
  ...['classify', 'train', '--file', at('set.csv'), '--text_column', 'first', '--label_column', 'class'],
  ...['--model', goldenModel, '--output_dir', at(output), '--max_seq_length', '16', '--threads', '1'],
];
const json = async (...path: string[]): Promise<unknown> => JSON.parse(await readFile(join(...path), 'utf8'));

interface Result {
  readonly train_examples: number;
  readonly validation: { examples: number; accuracy: number; confusion_matrix: number[][] };
}

describe('trains, judges and predicts', () => {
  it.each<[string, string[]]>([
    ['features', ['--inverse_regularization', '1000']],
    ['finetune', ['--mode', 'finetune', '--max_steps', '60', '--learning_rate', '3e-3', '--batch_size', '5']],
  ])('%s', async (mode, flags) => {
    const output = at(mode);
    const result = (await runJson([
      ...base(mode),
      ...flags,
      '--validation_split',
      '0.25',
      '--json',
    ])) as Result;
    expect(result).toMatchObject({ mode, train_examples: 18, validation: { examples: 6, accuracy: 1 } });
    expect(await json(output, 'eval_results.json')).toEqual(result.validation);
    expect(await json(output, 'confusion_matrix.json')).toEqual({
      labels: ['even', 'odd'],
      matrix: result.validation.confusion_matrix,
    });
    expect(await readFile(join(output, 'confusion_matrix.svg'), 'utf8')).toMatch(
      /^<svg[\s\S]*accuracy 100\.0 %/,
    );

    const predict = ['classify', 'predict', '--model_dir', output, '--threads', '1'];
    const { out } = await run([...predict, '--file', at('set.csv'), '--text_column', 'first', '--json']);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { label: string; scores: object });
    expect(lines.map(({ label }) => label)).toEqual(rows.map(([, , label]) => label));
    expect(Object.keys(lines[0]!.scores)).toEqual(['even', 'odd']);
    expect((await run([...predict, '--text', 'x 3', 'y 4'])).out).toMatch(
      /^[01]\.\d{4} {2}even\n[01]\.\d{4} {2}odd\n$/,
    );
  });

  it('goes on from a checkpoint to the very weights of a run that was not stopped', async () => {
    const steps = ['--mode', 'finetune', '--max_steps', '7', '--batch_size', '5'];
    const saving = [...steps, '--save_steps', '2', '--save_total_limit', '2'];
    expect((await run([...base('whole'), ...saving])).exitCode).toBe(0);
    const weights = (): Promise<Buffer> => readFile(join(at('whole'), 'model.safetensors'));
    const before = await weights();
    const { exitCode, err } = await run([...base('whole'), ...saving, '--resume_from_checkpoint']);
    expect(err).toContain('7 updates, resumed at 6');
    expect(exitCode).toBe(0);
    expect((await weights()).equals(before)).toBe(true);
    expect((await readdir(at('whole'))).filter((name) => name.startsWith('checkpoint-')).sort()).toEqual([
      'checkpoint-4',
      'checkpoint-6',
    ]);
    expect((await readdir(join(at('whole'), 'checkpoint-6'))).sort()).toContain('manifest.json');
  });

  it.each<[string, string[]]>([
    ['cut-features', []],
    ['cut-finetune', ['--mode', 'finetune', '--max_steps', '1', '--save_steps', '0']],
  ])('and says which texts were cut: %s', async (output, flags) => {
    const cut = ['--max_seq_length', '3', '--validation_file', at('set.csv')];
    const { exitCode, err } = await run([...base(output), ...flags, ...cut]);
    expect(exitCode).toBe(0);
    // One piece of two is read, of the texts to train on and of those to judge by.
    const lines = err.split('\n').filter((line) => line.startsWith('warning: '));
    const warning = `warning: ${at('set.csv')}: 24 texts, the first of them 1, were cut: 24 pieces were not read (--max-seq-length)`;
    expect(lines.filter((line) => line === warning)).toHaveLength(2);
    const predict = [
      'classify',
      'predict',
      '--model_dir',
      at(output),
      '--text',
      'x',
      'y 1 2',
      '--threads',
      '1',
    ];
    expect((await run(predict)).err).toBe(
      'warning: --text: text 2 was cut: 2 pieces were not read (--max-seq-length)\n',
    );
  });

  it('pairs, with a validation file, and a table for people', async () => {
    const { exitCode, out } = await run([
      ...base('pairs'),
      '--pair_column',
      'second',
      '--validation_file',
      at('set.csv'),
    ]);
    expect(exitCode).toBe(0);
    expect(out).toMatch(
      /^accuracy +[01]\.\d{4}\nmacro F1 +[01]\.\d{4}\n\n +precision +recall +F1 +texts\neven .* 12\nodd .* 12\n$/,
    );
  });
});

describe('refuses in one line, before any work', () => {
  it.each<[string, () => string[], string]>([
    ['neither', () => ['classify'], ': command: expected train or predict, got neither'],
    ['no file', () => ['classify', 'train', '--output-dir', 'x'], ' train: expected --file <file>, got none'],
    [
      'a misspelt option',
      () => [...base('none'), '--pool', 'cls'],
      ' train: expected an option of this command, got --pool; did you mean --pooling?',
    ],
    [
      'two validations',
      () => [...base('none'), '--validation-file', at('set.csv'), '--validation-split', '0.1'],
      ' train: validation: expected --validation-file or --validation-split, got both',
    ],
    [
      'a column that is not there',
      () => [...base('none'), '--text-column', 'texts'],
      ' train: DIR/set.csv: row 2: expected a column "texts", got first, second, class',
    ],
    [
      'an option of the other mode',
      () => [...base('none'), '--max-steps', '5'],
      ' train: --max-steps: expected --mode finetune beside it, got --mode features',
    ],
    [
      'the same the other way round',
      () => [...base('none'), '--mode', 'finetune', '--pooling', 'mean'],
      ' train: --pooling: expected --mode features beside it, got --mode finetune',
    ],
    [
      'a split that leaves nothing to train on',
      () => [...base('none'), '--validation-split', '1'],
      ' train: --validation-split: expected less than 1, or nothing is left to train on, got 1',
    ],
    [
      'no texts to predict',
      () => ['classify', 'predict', '--model-dir', goldenModel],
      ' predict: texts: expected --text or --file, got neither',
    ],
    [
      'a model that is no classifier',
      () => ['classify', 'predict', '--model-dir', goldenModel, '--text', 'x'],
      ` predict: ${goldenModel}/config.json: expected a classifier with id2label, got none that fits at id2label`,
    ],
  ])('%s', async (_, args, message) => {
    const { exitCode, out, err } = await run(args());
    expect({ exitCode, out, err: err.replaceAll(directory, 'DIR') }).toEqual({
      exitCode: 2,
      out: '',
      err: `bertram classify${message}\n`,
    });
    expect(await readdir(directory)).not.toContain('none');
  });

  it('a label that was not trained', async () => {
    const { exitCode, err } = await run([...base('label'), '--validation-file', at('other.csv')]);
    expect(exitCode).toBe(2);
    expect(err.replaceAll(directory, 'DIR')).toBe(
      'bertram classify train: DIR/other.csv: expected labels that were trained (even, odd), got "neither"\n',
    );
  });

  it('a directory that holds other work', async () => {
    const { exitCode, err } = await run(base('.'));
    expect(exitCode).toBe(2);
    expect(err).toMatch(
      /expected an empty directory, --overwrite_output_dir or --resume_from_checkpoint, got \d+ files\n$/,
    );
  });
});
