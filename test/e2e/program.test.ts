/** The compiled program in processes of its own: every command once, exit statuses, closed pipes, full disks. */
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goldenModel, writeTinyModel } from '../pipelines/tiny-model.ts';
import { bertram, buildIfStale } from './built-program.ts';

const question = 'Who came first?';
const context = 'In 1821 Ada came first, and Bob was second.';
const model = ['--model', goldenModel, '--threads', '1'];

let dataset: string;
let predictions: string;
beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bertram-e2e-'));
  dataset = join(directory, 'set.json');
  predictions = join(directory, 'predictions.json');
  const qas = [{ id: 'a', question, answers: [{ text: 'Ada', answer_start: 8 }] }];
  await writeFile(dataset, JSON.stringify({ data: [{ title: 't', paragraphs: [{ context, qas }] }] }));
  await writeFile(predictions, '{"a": "ada."}');
  await buildIfStale();
}, 180_000);

async function json(args: readonly string[], input = ''): Promise<unknown> {
  const { exitCode, out, err } = await bertram(args, { input });
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  expect(out.endsWith('\n')).toBe(true);
  return JSON.parse(out);
}

describe('every command', () => {
  it('answer', async () => {
    const document = await json(['answer', '--question', question, '--context', context, '--json', ...model]);
    const { answers } = document as { answers: { answer: string; start: number; end: number }[] };
    expect(context.slice(answers[0]!.start, answers[0]!.end)).toBe(answers[0]!.answer);
  });

  it('logits', async () => {
    const document = await json(['logits', '--question', question, '--context', context, '--json', ...model]);
    expect((document as { windows: object[] }).windows).toHaveLength(1);
  });

  it('tokenize', async () => {
    const document = await json(['tokenize', '--vocab', join(goldenModel, 'vocab.txt')], 'ab');
    expect(document).toEqual({
      tokens: ['a', '##b'],
      ids: [5, 58],
      offsets: [
        [0, 1],
        [1, 2],
      ],
    });
  });

  it('squad-features', async () => {
    expect(await json(['squad-features', '--file', dataset, '--model', goldenModel, '--count'])).toBe(1);
  });

  it('evaluate', async () => {
    expect(await json(['evaluate', '--dataset', dataset, '--json', ...model])).toMatchObject({
      total: 1,
      windows: 1,
    });
  });

  it('score', async () => {
    const document = await json(['score', '--dataset', dataset, '--predictions', predictions]);
    expect(document).toEqual({ exact_match: 100, f1: 100, total: 1 });
  });

  it('inspect', async () => {
    expect(await json(['inspect', '--model', goldenModel, '--json'])).toMatchObject({
      parameters: { count: 20_012 },
    });
  });

  it('--version', async () => {
    expect((await bertram(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('exit status', () => {
  it('2 and a line for a wrong request', async () => {
    expect(await bertram(['answer', '--questoin', 'x'])).toEqual({
      exitCode: 2,
      out: '',
      err: 'bertram answer: expected an option of this command, got --questoin; did you mean --question?\n',
    });
  });

  it('1 and a line for work that failed', async () => {
    // Finite weights whose products overflow.
    const overflowing = await writeTinyModel({
      alter: (name, values) => {
        if (name === 'qa_outputs.weight') values.fill(3e38);
      },
    });
    const args = [
      'answer',
      '--question',
      question,
      '--context',
      context,
      '--model',
      overflowing,
      '--threads',
      '1',
    ];
    const { exitCode, out, err } = await bertram(args);
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' });
    expect(err).toMatch(/^bertram answer: .*: expected finite start logits, got \S+ at piece \d+\n$/);
  });

  it('a stack trace only under BERTRAM_DEBUG=1', async () => {
    const args = ['score', '--dataset', 'no-such-file', '--predictions', 'x'];
    expect((await bertram(args)).err).toMatch(/^bertram score: no-such-file: [^\n]*\n$/);
    const { err, exitCode } = await bertram(args, { env: { BERTRAM_DEBUG: '1' } });
    expect(exitCode).toBe(2);
    expect(err).toMatch(/\n +at .*squad-files/);
  });
});

describe('output', () => {
  const vocab = ['--vocab', join(goldenModel, 'vocab.txt')];
  const input = 'abc def.\n'.repeat(100_000);

  it('ends quietly when its reader has seen enough', async () => {
    const { exitCode, out, err } = await bertram(['tokenize', ...vocab], { input, readBytes: 1000 });
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
    expect(out.length).toBeLessThan(10_000_000);
  });

  it('is whole when it is long', async () => {
    const { out } = await bertram(['tokenize', ...vocab], { input });
    expect(out.trimEnd().split('\n')).toHaveLength(100_000);
  });

  it.skipIf(!existsSync('/dev/full'))('fails when the disk is full (needs /dev/full)', () => {
    const command = `${process.execPath} bin/bertram.js tokenize ${vocab.join(' ')} > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { input: 'abc', encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^bertram tokenize: standard output: cannot be written: ENOSPC[^\n]*\n$/);
  });
});
