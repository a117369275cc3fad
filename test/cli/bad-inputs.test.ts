/** Everything that can be wrong with a request: exit status 2, nothing on standard output, and one line, this one. */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { defaultModelDirectory } from '../../src/pipelines/index.ts';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { run } from './captured-terminal.ts';

const ask = ['--question', 'Who?', '--context', 'Ada came.'];

/** A directory for all files of the tables below; `DIR` in arguments and messages. */
let directory: string;
const at = (...names: string[]): string => join(directory, ...names);
const located = (text: string): string => text.replaceAll('DIR', directory);

async function expectRefusal(
  args: readonly string[],
  message: string,
  input?: string | Uint8Array,
): Promise<void> {
  const { exitCode, out, err } = await run(args.map(located), input === undefined ? {} : { input });
  expect({
    exitCode,
    out,
    err: err.replaceAll(directory, 'DIR').replaceAll(defaultModelDirectory, 'DEFAULT'),
  }).toEqual({
    exitCode: 2,
    out: '',
    err: `bertram${message}\n`,
  });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-bad-'));
  await mkdir(at('empty'));
  await writeFile(at('binary'), Uint8Array.of(0x61, 0x0a, 0xff, 0xfe));
  await writeFile(at('blank.txt'), ' \n');
});

describe('options', () => {
  it.each<[string[], string]>([
    [['anwser'], ': expected a command, got anwser; did you mean answer?'],
    [['constructor'], ': expected a command, got constructor'],
    [['--modle', 'x'], ': expected an option of this command, got --modle'],
    [
      ['answer', '--questoin', 'Who?'],
      ' answer: expected an option of this command, got --questoin; did you mean --question?',
    ],
    [
      ['answer', ...ask, '--doc_strid', '1'],
      ' answer: expected an option of this command, got --doc_strid; did you mean --doc-stride?',
    ],
    [['answer', '--context', 'a'], ' answer: expected --question <text>, got none'],
    [['answer', '--question', 'Who?'], ' answer: context: expected --context or --context-file, got neither'],
    [['answer', '--question'], ' answer: --question: expected <text>, got nothing'],
    [['answer', ...ask, 'more'], ' answer: expected options only, got an argument beside them'],
    [['answer', ...ask, '--top-k', 'many'], ' answer: --top-k: expected a whole number from 1, got "many"'],
    [['answer', ...ask, '--top_k=0'], ' answer: --top-k: expected a whole number from 1, got "0"'],
    [
      ['answer', ...ask, '--doc-stride', '-1'],
      ' answer: --doc-stride: expected a whole number from 0, got "-1"',
    ],
    [
      ['answer', ...ask, '--precision', 'int4'],
      ' answer: --precision: expected one of float32, int8, got int4',
    ],
    [
      ['answer', ...ask, '--max-seq-length', '97', '--model', goldenModel],
      " answer: max_seq_length: expected at most the model's 96 positions, got 97",
    ],
    [
      ['answer', ...ask, '--max-seq-length', '96', '--doc-stride', '93', '--model', goldenModel],
      ' answer: doc_stride: expected an overlap below the 93 pieces that a window holds, got 93',
    ],
    [
      ['answer', '--question', '', '--context', 'a', '--model', goldenModel],
      ' answer: question: expected a text that is not blank, got ""',
    ],
    [
      [
        'answer',
        '--question',
        'Who?',
        '--context',
        'a',
        '--context-file',
        'DIR/blank.txt',
        '--model',
        goldenModel,
      ],
      String.raw` answer: contexts[1]: expected a text that is not blank, got " \n"`,
    ],
    [['logits', '--question', 'Who?'], ' logits: expected --context <text>, got none'],
    [
      ['tokenize', '--vocab', 'a', '--model', 'b'],
      ' tokenize: tokenizer: expected --vocab or --model, got both',
    ],
    [
      ['squad-features', '--file', 'a', '--stride-mode', 'leap'],
      ' squad-features: --stride-mode: expected one of overlap, step, got leap',
    ],
    [
      ['evaluate', '--dataset', 'squad_v2'],
      ' evaluate: --dataset squad_v2: expected a file, got the name of a data set; downloading is not supported yet',
    ],
    [['score', '--dataset', 'a'], ' score: expected --predictions <file>, got none'],
  ])('%j', async (args, message) => {
    await expectRefusal(args, message);
  });
});

describe('files that are not there, or are no files', () => {
  it.each<[string[], string]>([
    [
      ['answer', ...ask, '--model', 'DIR/none'],
      ' answer: DIR/none: expected a model directory, got no such directory',
    ],
    [
      ['answer', ...ask, '--model', 'DIR/empty'],
      ' answer: DIR/empty: expected config.json, got no such file in the directory',
    ],
    [
      ['answer', ...ask, '--model', 'google-bert/bert-base-cased'],
      ' answer: model "google-bert/bert-base-cased": expected a directory, got a Hub name; downloading is not supported yet',
    ],
    [
      ['inspect', '--model', 'package.json'],
      ' inspect: package.json: expected a model directory, got a file',
    ],
    [
      ['answer', '--question', 'Who?', '--context-file', 'DIR/none'],
      ` answer: DIR/none: cannot be read: no such file or directory (ENOENT)`,
    ],
    [
      ['answer', '--question', 'Who?', '--context-file', 'DIR/empty'],
      ' answer: DIR/empty: expected a file, got something else',
    ],
    [
      ['answer', '--question', 'Who?', '--context-file', 'DIR/binary'],
      ' answer: DIR/binary: expected valid UTF-8, got other bytes',
    ],
    [
      ['tokenize', '--vocab', 'DIR/none'],
      ` tokenize: DIR/none: cannot be read: no such file or directory (ENOENT)`,
    ],
    [
      ['tokenize', '--vocab', `${goldenModel}/vocab.txt`, '--file', 'DIR/none'],
      ` tokenize: DIR/none: cannot be read: no such file or directory (ENOENT)`,
    ],
    [
      ['tokenize', '--vocab', `${goldenModel}/vocab.txt`, '--file', 'DIR/empty'],
      ' tokenize: DIR/empty: cannot be read: illegal operation on a directory (EISDIR)',
    ],
    [
      ['evaluate', '--dataset', 'DIR/none', '--model', goldenModel],
      ` evaluate: DIR/none: expected a readable file, got ENOENT: no such file or directory, open 'DIR/none'`,
    ],
    [
      ['score', '--dataset', 'DIR/none', '--predictions', 'x'],
      ` score: DIR/none: expected a readable file, got ENOENT: no such file or directory, open 'DIR/none'`,
    ],
  ])('%j', async (args, message) => {
    await expectRefusal(args, message);
  });

  it('an output directory that cannot be made', async () => {
    await writeFile(at('set.json'), dataSet([{ id: 'a', text: 'Ada', start: 0 }]));
    await expectRefusal(
      ['evaluate', '--dataset', 'DIR/set.json', '--model', goldenModel, '--output-dir', 'DIR/blank.txt/out'],
      ` evaluate: DIR/blank.txt/out: cannot be made: not a directory (ENOTDIR)`,
    );
  });
});

describe('vocabularies', () => {
  it.each<[name: string, text: string | Uint8Array, message: string]>([
    ['empty.txt', '', 'expected one token a line, got an empty file'],
    ['no-specials.txt', 'a\nb\n', 'expected a [UNK] token, got 2 tokens without it'],
    ['double.txt', '[UNK]\na\nb\na\n', 'line 4: expected each token once, got "a", also on line 2'],
    ['blank-line.txt', '[UNK]\n\na\n', 'line 2: expected a token, got a blank line'],
    ['dos.txt', '[UNK]\r\na\r\n', 'line 1: expected a line that ends in LF, got CR LF'],
    ['nul.txt', 'a\0b', 'expected text, one token a line, got binary data (a NUL at character 1)'],
    ['latin1.txt', Uint8Array.of(0xe9, 0x0a), 'expected valid UTF-8, got other bytes'],
  ])('%s', async (name, text, message) => {
    await writeFile(at(name), text);
    const separator = message.startsWith('line') ? ' ' : ': ';
    await expectRefusal(
      ['tokenize', '--vocab', `DIR/${name}`],
      ` tokenize: DIR/${name}${separator}${message}`,
      'a',
    );
  });

  it('text that is not UTF-8, after the lines before it', async () => {
    const args = ['tokenize', '--vocab', `${goldenModel}/vocab.txt`];
    expect(await run([...args, '--file', at('binary')])).toEqual({
      exitCode: 2,
      out: '{"tokens":["a"],"ids":[5],"offsets":[[0,1]]}\n',
      err: `bertram tokenize: ${at('binary')}: line 2: expected text in UTF-8, got other bytes\n`,
    });
    const message = ' tokenize: standard input: line 1: expected text in UTF-8, got other bytes';
    await expectRefusal(args, message, Uint8Array.of(0xc3));
  });
});

describe('models', () => {
  const changed = (fields: object) => async (model: string) => {
    const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as object;
    await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, ...fields }));
  };
  const writing = (file: string, content: string | Uint8Array) => (model: string) =>
    writeFile(join(model, file), content);
  /** Replaces the weights by a file with this header and no data. */
  const withHeader = (header: string, length = header.length) => {
    const bytes = Buffer.alloc(8 + header.length);
    bytes.writeBigUInt64LE(BigInt(length));
    bytes.write(header, 8);
    return writing('model.safetensors', bytes);
  };
  const weights = 'DIR/model.safetensors';

  it.each<[what: string, breaks: (model: string) => Promise<void>, message: string | RegExp]>([
    [
      'config.json is not JSON',
      writing('config.json', '{"a": 1'),
      /^DIR\/config\.json: expected JSON, got .*$/,
    ],
    ['config.json is a list', writing('config.json', '[]'), 'DIR/config.json: expected object, got []'],
    [
      'another architecture',
      changed({ model_type: 'roberta' }),
      'DIR/config.json: model_type: expected "bert", got "roberta"',
    ],
    [
      'no hidden size',
      changed({ hidden_size: undefined }),
      'DIR/config.json: hidden_size: expected number, got undefined',
    ],
    [
      'heads that do not divide',
      changed({ num_attention_heads: 5 }),
      'DIR/config.json: hidden_size: expected a multiple of num_attention_heads 5, got 32',
    ],
    ['a huge size', changed({ vocab_size: 1e12 }), /^DIR\/config\.json: vocab_size: .*, got 1000000000000$/],
    [
      'an activation we lack',
      changed({ hidden_act: 'silu' }),
      /^DIR\/config\.json: hidden_act: expected one of .*, got "silu"$/,
    ],
    [
      'a shape of another size',
      changed({ intermediate_size: 64 }),
      `${weights}: parameter "bert.encoder.layer.0.intermediate.dense.weight": expected shape [64,32], got [37,32]`,
    ],
    [
      'a config.json that is a directory',
      async (model) => {
        await rm(join(model, 'config.json'));
        await mkdir(join(model, 'config.json'));
      },
      'DIR/config.json: expected a file, got something else',
    ],
    [
      'a link to nowhere',
      async (model) => {
        await rm(join(model, 'vocab.txt'));
        await symlink('/nowhere/at/all', join(model, 'vocab.txt'));
      },
      'DIR: expected vocab.txt or tokenizer.json, got neither',
    ],
    [
      'do_lower_case is no truth value',
      writing('tokenizer_config.json', '{"do_lower_case": "no"}'),
      'DIR/tokenizer_config.json: do_lower_case: expected true or false, got "no"',
    ],
    [
      'another tokenizer',
      writing('tokenizer.json', '{"model": {"type": "BPE"}}'),
      /^DIR\/tokenizer\.json.*WordPiece.*BPE.*$/,
    ],
    [
      'no weights',
      (model) => rm(join(model, 'model.safetensors')),
      'DIR: expected model.safetensors, pytorch_model.bin, an index of either or a TensorFlow checkpoint, got none',
    ],
    [
      'empty PyTorch weights',
      async (model) => {
        await rm(join(model, 'model.safetensors'));
        await writeFile(join(model, 'pytorch_model.bin'), '');
      },
      'DIR/pytorch_model.bin: expected a file of torch.save, got an empty file',
    ],
    ['empty weights', writing('model.safetensors', ''), new RegExp(`^${weights}: .*expected .*got .*$`)],
    [
      'truncated weights',
      (model) => truncate(join(model, 'model.safetensors'), 60_000),
      new RegExp(`^${weights}: .*expected .*got .*$`),
    ],
    [
      'weights that are text',
      writing('model.safetensors', 'version https://git-lfs.github.com/spec/v1\n'),
      new RegExp(`^${weights}: .*expected .*got .*$`),
    ],
    [
      'a header longer than the file',
      withHeader('{}', 2 ** 40),
      new RegExp(`^${weights}: .*expected .*got .*$`),
    ],
    ['a header that is not JSON', withHeader('{"a": }'), new RegExp(`^${weights}: .*$`)],
    [
      'a tensor beyond the end',
      withHeader('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'),
      new RegExp(`^${weights}: .*expected .*got .*$`),
    ],
    [
      'no tensors',
      withHeader('{}'),
      /^DIR: expected all 39 parameters, got none for bert\.embeddings\.word_embeddings\.weight, .* and 36 more$/,
    ],
  ])('%s', async (_, breaks, message) => {
    const model = await mkdtemp(at('model-'));
    for (const file of ['config.json', 'vocab.txt', 'tokenizer_config.json', 'model.safetensors']) {
      await cp(join(goldenModel, file), join(model, file));
    }
    await breaks(model);
    for (const command of ['answer', 'inspect']) {
      if (command === 'inspect' && _ === 'no tensors') continue; // inspects what is there
      const args = command === 'answer' ? [command, ...ask, '--model', model] : [command, '--model', model];
      const { exitCode, out, err } = await run(args);
      expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
      expect(err.match(/\n/g)).toHaveLength(1);
      const line = err.trimEnd().replaceAll(model, 'DIR').slice(`bertram ${command}: `.length);
      if (typeof message === 'string') expect(line).toBe(message);
      else expect(line).toMatch(message);
    }
  });
});

function dataSet(answers: { id: string; text: string; start: number }[]): string {
  const qas = answers.map(({ id, text, start }) => ({
    id,
    question: 'Who?',
    answers: [{ text, answer_start: start }],
  }));
  return JSON.stringify({ data: [{ title: 't', paragraphs: [{ context: 'Ada came.', qas }] }] });
}

describe('data sets and predictions', () => {
  it.each<[name: string, text: string | Uint8Array, message: string | RegExp]>([
    ['not JSON', '{"data": [', /^: expected SQuAD JSON or JSON lines, got .*$/],
    ['empty', '', /^: expected SQuAD JSON or JSON lines, got .*$/],
    ['a list of numbers', '[1]', ': [0]: expected an object, got 1'],
    ['no data', '{}', ': data: expected an array, got nothing'],
    ['no questions', '{"data": []}', ': expected at least one question, got none'],
    [
      'an id twice',
      dataSet([
        { id: 'a', text: 'Ada', start: 0 },
        { id: 'a', text: 'Ada', start: 0 },
      ]),
      ': data[0].paragraphs[0].qas[1].id: expected an id other than that of data[0].paragraphs[0].qas[0], got "a"',
    ],
    [
      'an answer elsewhere',
      dataSet([{ id: 'a', text: 'Ada', start: 4 }]),
      ': data[0].paragraphs[0].qas[0].answers[0] (question a): expected "Ada" at answer_start 4 of the context, got "cam"',
    ],
    ['not UTF-8', Uint8Array.of(0x7b, 0xff), /^: expected text in UTF-8, got .*$/],
    ['a damaged gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /^: expected a whole gzip file, got .*$/],
  ])('%s', async (name, text, message) => {
    const file = at(`${name.replaceAll(' ', '-')}.json`);
    await writeFile(file, text);
    const calls = [
      ['evaluate', '--dataset', file, '--model', goldenModel],
      ['score', '--dataset', file, '--predictions', file],
      ['squad-features', '--file', file, '--model', goldenModel],
    ];
    for (const args of calls) {
      const { exitCode, out, err } = await run(args);
      expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
      expect(err.match(/\n/g)).toHaveLength(1);
      const line = err.trimEnd().slice(`bertram ${args[0]!}: ${file}`.length);
      if (typeof message === 'string') expect(line).toBe(message);
      else expect(line).toMatch(message);
    }
  });

  it.each<[what: string, predictions: string, odds: string | undefined, message: string]>([
    ['a list', '[]', undefined, 'predictions.json: expected a JSON object from question ids, got []'],
    [
      'a number for an answer',
      '{"a": 1}',
      undefined,
      'predictions.json: "a": expected an answer text, got 1',
    ],
    ['a text for odds', '{"a": "x"}', '{"a": "x"}', 'odds.json: "a": expected a number, got "x"'],
    ['odds that are missing', '{"a": "x"}', '{}', 'null odds: expected a value for question a, got none'],
  ])('%s', async (_, predictions, odds, message) => {
    await writeFile(at('good.json'), dataSet([{ id: 'a', text: 'Ada', start: 0 }]));
    await writeFile(at('predictions.json'), predictions);
    await writeFile(at('odds.json'), odds ?? '{}');
    const args = ['score', '--dataset', 'DIR/good.json', '--predictions', 'DIR/predictions.json'];
    const prefix = message.includes('.json') ? 'DIR/' : '';
    await expectRefusal(
      odds === undefined ? args : [...args, '--null-odds', 'DIR/odds.json'],
      ` score: ${prefix}${message}`,
    );
  });
});
