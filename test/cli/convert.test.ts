/** `bertram convert`: what it prints, and how it fails. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run, runJson } from './captured-terminal.ts';

const GOLDEN = 'test/golden/checkpoint';

function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'bertram-convert-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

describe('bertram convert', () => {
  it('says what it wrote and what it left out', async () => {
    const to = temporaryDirectory();
    const { exitCode, out, err } = await run([
      'convert',
      '--from',
      `${GOLDEN}/tensorflow/bert_model.ckpt`,
      '--to',
      to,
    ]);
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: '' });
    expect(err.replaceAll(to, 'DIR')).toMatchInlineSnapshot(`
      "46 tensors, 833 parameters of a BertForPreTraining, written to DIR
      left out, an optimizer slot: bert/pooler/dense/bias/adam_m, bert/pooler/dense/bias/adam_v, bert/pooler/dense/kernel/adam_m, bert/pooler/dense/kernel/adam_v, cls/predictions/output_bias/adam_m, cls/predictions/output_bias/adam_v, cls/seq_relationship/output_bias/adam_m, cls/seq_relationship/output_bias/adam_v
      left out, a counter of training: global_step
      "
    `);
    expect(JSON.parse(readFileSync(join(to, 'tokenizer_config.json'), 'utf8'))).toMatchObject({
      do_lower_case: true,
    });
  });

  it('takes a vocabulary with capitals for a cased model', async () => {
    const [from, to] = [temporaryDirectory(), temporaryDirectory()];
    for (const file of ['bert_config.json', 'bert_model.ckpt.index', 'bert_model.ckpt.data-00000-of-00001']) {
      writeFileSync(join(from, file), readFileSync(`${GOLDEN}/tensorflow/${file}`));
    }
    const vocabulary = readFileSync(`${GOLDEN}/tensorflow/vocab.txt`, 'utf8');
    writeFileSync(join(from, 'vocab.txt'), vocabulary.replace('\nh\n', '\nH\n'));
    expect(await runJson(['convert', '--from', from, '--to', to, '--json'])).toMatchObject({
      architecture: 'BertForPreTraining',
      tensors: 46,
      parameters: 833,
      left_out: { global_step: 'a counter of training' },
    });
    expect(JSON.parse(readFileSync(join(to, 'tokenizer_config.json'), 'utf8'))).toMatchObject({
      do_lower_case: false,
    });
    const { out } = await run(['tokenize', '--model', to], { input: 'a H h\n' });
    expect(JSON.parse(out)).toMatchObject({ tokens: ['a', 'H', '[UNK]'] });
  });

  it.each([
    ['no source', [], 'bertram convert: expected --from <path>, got none\n'],
    [
      'a source that is not there',
      ['--from', 'no/such/model'],
      'bertram convert: no/such/model: expected a model directory, got no such directory\n',
    ],
    [
      'a pickle that runs programs',
      ['--from', `${GOLDEN}/pytorch/malicious.bin`],
      `bertram convert: ${GOLDEN}/pytorch/malicious.bin: data.pkl, byte 178: expected what tensors are made of, got refused global posix.system\n`,
    ],
    [
      'a directory without a vocabulary',
      ['--from', `${GOLDEN}/bert`],
      `bertram convert: ${GOLDEN}/bert: expected vocab.txt or tokenizer.json, got neither\n`,
    ],
  ])('refuses %s', async (_, args, err) => {
    const to = join(temporaryDirectory(), 'out');
    expect(await run(['convert', ...args, '--to', to])).toEqual({ exitCode: 2, out: '', err });
  });
});
