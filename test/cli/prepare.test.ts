/** `bertram prepare`: what it prints, what it says that it left out, and what it refuses. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openPretrainingExamples } from '../../src/pretraining/index.ts';
import { run, runJson } from './captured-terminal.ts';

/** A directory for all files; `DIR` in arguments and messages. */
let directory: string;
const args = (text: string): string[] => ['prepare', ...text.replaceAll('DIR', directory).split(' ')];
const INPUT = '--input DIR/text.txt --vocab DIR/vocab.txt --workers 1';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-prepare-'));
  const vocabulary = '[PAD] [UNK] [CLS] [SEP] [MASK] . Ada ada came left ##s';
  await writeFile(join(directory, 'vocab.txt'), `${vocabulary.replaceAll(' ', '\n')}\n`);
  const document = 'Ada came. Ada left. Ada cames.\nAda lefts. Ada came.\n';
  await writeFile(join(directory, 'text.txt'), Array.from({ length: 20 }, () => document).join('\n'));
  await writeFile(join(directory, 'gaps.txt'), `${document}\n\n\n${document}\n`);
  await writeFile(join(directory, 'one.txt'), document);
  await writeFile(join(directory, 'no-mask.txt'), '[PAD]\n[UNK]\n[CLS]\n[SEP]\n');
});

describe('prints', () => {
  it('counts as JSON, with options of either spelling', async () => {
    const summary = await runJson(
      args(`${INPUT} --output DIR/json --json --dupe_factor 2 --max_seq_length 16 --held_out 0.1`),
    );
    expect(summary).toMatchObject({
      already_complete: false,
      documents: 20,
      empty_documents: 0,
      sentences: 100,
      pieces: 20 * 17,
      training: { documents: 18, shards: 2 },
      held_out: { documents: 2 },
    });
    const again = await runJson(
      args(`${INPUT} --output DIR/json --json --dupe-factor 2 --max-seq-length 16 --held-out 0.1`),
    );
    expect(again).toMatchObject({ already_complete: true, training: { documents: 18 } });
  });

  it('lines, and masks by the defaults of the reference program', async () => {
    const { exitCode, out, err } = await run(args(`${INPUT} --output DIR/lines`));
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^20 documents, 100 sentences, 340 pieces\n\d+ examples in 10 shards, [\d.]+ s\n$/);
    expect(err).toBe('tokenized 20 documents, 340 pieces\n');
    const { recipe } = JSON.parse(await readFile(join(directory, 'lines/manifest.json'), 'utf8')) as {
      recipe: object;
    };
    expect(recipe).toMatchObject({
      lowercase: false,
      whole_word_mask: false,
      max_seq_length: 128,
      max_predictions_per_seq: 20,
      masked_lm_prob: 0.15,
      short_seq_prob: 0.1,
      dupe_factor: 10,
      seed: 12345,
    });
    const examples = await openPretrainingExamples(join(directory, 'lines'));
    expect([examples.maxSeqLength, examples.maxPredictionsPerSeq]).toEqual([128, 20]);
    examples.close();
  });

  it('a warning of empty documents', async () => {
    const gaps = INPUT.replace('text.txt', 'gaps.txt');
    const { exitCode, err } = await run(args(`${gaps} --output DIR/gaps`));
    expect([exitCode, err]).toEqual([
      0,
      'tokenized 2 documents, 34 pieces\nwarning: 2 empty documents were left out\n',
    ]);
  });
});

it.each([
  ['no input', '--output DIR/x --vocab DIR/vocab.txt', 'expected --input <file...>, got none'],
  ['an absent file', INPUT.replace('text.txt', 'none.txt'), 'DIR/none.txt: cannot be read: no such file'],
  [
    'an absent vocabulary',
    INPUT.replace('vocab.txt', 'none.txt'),
    'DIR/none.txt: cannot be read: no such file',
  ],
  ['one document', INPUT.replace('text.txt', 'one.txt'), 'DIR/one.txt: expected at least two documents'],
  [
    'no [MASK]',
    INPUT.replace('vocab.txt', 'no-mask.txt'),
    'DIR/no-mask.txt: expected a [MASK] token, got 4 tokens',
  ],
  ['a short length', `${INPUT} --max-seq-length 4`, '--max-seq-length: expected 5 to 65535, got 4'],
  ['all held out', `${INPUT} --held-out 1`, '--held-out: expected less than 1'],
  [
    'one held out',
    `${INPUT} --held-out 0.05`,
    'DIR/text.txt: expected at least two held-out documents, got 1 of 20',
  ],
  [
    'an option of another name',
    `${INPUT} --dup-factor 3`,
    'expected an option of this command, got --dup-factor; did you mean --dupe-factor?',
  ],
])('refuses %s in one line', async (_, text, message) => {
  const output = text.includes('--output') ? '' : ' --output DIR/refused';
  const { exitCode, out, err } = await run(args(text + output));
  expect(err).toContain(message.replaceAll('DIR', directory));
  expect(err).toMatch(/^(?:tokenized .*\n)?bertram prepare: .*\n$/);
  expect([exitCode, out]).toEqual([2, '']);
});
