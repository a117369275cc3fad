/** Where a run begins: which checkpoint it takes, and what it refuses. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listCheckpoints, verifyCheckpoint } from '../../src/training/index.ts';
import { trainingCommands } from '../e2e/killed-runs.ts';
import { run } from './captured-terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'bertram-start-'));
const whole = join(directory, 'whole');
const inside = (...path: string[]): string => join(directory, ...path);
let command: string[];
/** In runs of 10 updates, of which every third is saved: 3, 6 and 9. */
const args = (output: string, ...more: string[]): string[] => [
  ...[
    ...command,
    '--max_steps',
    '10',
    '--save_steps',
    '3',
    '--save_total_limit',
    '9',
    '--output_dir',
    output,
    ...more,
  ],
];
beforeAll(async () => {
  const [finetune] = await trainingCommands(inside('data'));
  command = [...finetune!.args];
  expect((await run(args(whole))).exitCode).toBe(0);
});
afterAll(() => rmSync(directory, { recursive: true }));

let copies = 0;
/** The directory of a run that was ended after its last checkpoint. */
function unfinished(): string {
  const output = inside(`run-${(copies += 1)}`);
  for (const name of readdirSync(whole).filter((name) => name.startsWith('checkpoint-')))
    cpSync(join(whole, name), join(output, name), { recursive: true });
  return output;
}

const sameResult = (output: string): void => {
  for (const file of ['model.safetensors', 'trainer_state.json'])
    expect(readFileSync(join(output, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
};

describe('a run that goes on', () => {
  it('passes over a damaged checkpoint, says what is wrong with it, and ends as it would have', async () => {
    const output = unfinished();
    truncateSync(join(output, 'checkpoint-9', 'model.safetensors'), 1000);
    const { exitCode, err } = await run(args(output, '--resume_from_checkpoint'));
    expect(err).toMatch(
      /^warning: checkpoint-9 is damaged and passed over: \S+\/checkpoint-9\/model\.safetensors: expected \d+ bytes, as when it was written, got 1000$/m,
    );
    expect(err).toContain('10 updates, resumed at 6');
    expect(exitCode).toBe(0);
    sameResult(output);
  });

  it('tidies up what a killed run left, and puts back what it had set aside', async () => {
    const output = unfinished();
    mkdirSync(join(output, '.partial-checkpoint-12'));
    cpSync(join(output, 'checkpoint-3'), join(output, '.obsolete-checkpoint-2'), { recursive: true });
    cpSync(join(output, 'checkpoint-9'), join(output, '.replaced-checkpoint-9'), { recursive: true });
    rmSync(join(output, 'checkpoint-9'), { recursive: true });
    const { err } = await run(args(output, '--resume_from_checkpoint', 'auto'));
    expect(err).toContain('10 updates, resumed at 9');
    expect(readdirSync(output).filter((name) => name.startsWith('.'))).toEqual([]);
    sameResult(output);
  });

  it('warns of settings that differ and may, by their names', async () => {
    const { exitCode, err } = await run(
      args(unfinished(), '--resume_from_checkpoint', '--learning_rate', '2e-3', '--threads', '2'),
    );
    expect(err).toContain(
      'warning: learning_rate is 0.002 and was 0.001: the run will not end as it would have\n',
    );
    expect(err).toContain('warning: threads is 2 and was 1: the run will not end as it would have\n');
    expect(exitCode).toBe(0);
  });
});

describe('is refused in one line', () => {
  const refusal = async (all: string[]): Promise<string> => {
    const { exitCode, out, err } = await run(all);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    const lines = err
      .trimEnd()
      .split('\n')
      .filter((line) => !line.includes('questions and '));
    expect(lines).toHaveLength(1);
    return lines[0]!.slice('bertram finetune: '.length).replaceAll(directory, 'DIR');
  };

  it('a damaged checkpoint that is asked for by its name', async () => {
    const output = unfinished();
    const file = join(output, 'checkpoint-6', 'optimizer.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await refusal(args(output, '--resume_from_checkpoint', join(output, 'checkpoint-6')))).toMatch(
      /^DIR\/run-\d+\/checkpoint-6\/optimizer\.safetensors: expected SHA-256 [0-9a-f]{64}, as when it was written, got [0-9a-f]{64}$/,
    );
  });

  it.each([
    [['--seed', '43'], 'training: seed: expected 42, as in the checkpoint, got 43'],
    [['--per_device_train_batch_size', '2'], 'training: batch_size: expected 1, as in the checkpoint, got 2'],
    [
      ['--gradient_accumulation_steps', '1'],
      'training: gradient_accumulation_steps: expected 2, as in the checkpoint, got 1',
    ],
    [['--no-shuffle'], 'training: shuffle: expected true, as in the checkpoint, got false'],
  ])('another run than the one that the checkpoint is of: %j', async (more, line) => {
    expect(await refusal(args(unfinished(), '--resume_from_checkpoint', ...more))).toBe(line);
  });

  it('other data of the same size', async () => {
    const text = readFileSync(inside('data', 'squad.json'), 'utf8');
    writeFileSync(inside('other.json'), text.replace('Who or what a', 'Who or what q'));
    const all = args(unfinished(), '--resume_from_checkpoint').map((arg) =>
      arg === inside('data', 'squad.json') ? inside('other.json') : arg,
    );
    expect(await refusal(all)).toMatch(
      /^training: data_sha256: expected "[0-9a-f]+.*, as in the checkpoint, got "[0-9a-f]+/,
    );
  });

  it('an output directory that is a file, or below one', async () => {
    writeFileSync(inside('file'), '');
    for (const output of [inside('file'), inside('file', 'below')])
      expect(await refusal(args(output))).toMatch(
        /^--output_dir: DIR\/file(\/below)?: (expected a directory, got a file|cannot be written: not a directory)/,
      );
  });
});

it('a leftover of a killed run alone does not make a directory one that is in use', async () => {
  const output = inside('leftover');
  mkdirSync(join(output, '.partial-checkpoint-3'), { recursive: true });
  expect((await run(args(output))).exitCode).toBe(0);
  expect(readdirSync(output)).not.toContain('.partial-checkpoint-3');
  sameResult(output);
});

it('a run whose numbers break ends with one line, and its last good checkpoint stays', async () => {
  const output = inside('broken');
  const { exitCode, err } = await run(args(output, '--learning_rate', '1e30', '--save_steps', '1'));
  expect(exitCode).toBe(1);
  expect(err.trimEnd().split('\n').at(-1)).toMatch(
    /^bertram finetune: training: expected finite numbers at step \d+, got loss NaN: \w+_\d+ in bert\S* \(\S+\) is -?(Infinity|NaN) at \[/,
  );
  const checkpoints = await listCheckpoints(output);
  expect(checkpoints.length).toBeGreaterThan(0);
  for (const checkpoint of checkpoints) await verifyCheckpoint(checkpoint);
});
