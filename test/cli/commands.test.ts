/** Every command on a small model, in this process. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { run, runJson } from './captured-terminal.ts';

const model = ['--model', goldenModel, '--threads', '1'];
const vocab = join(goldenModel, 'vocab.txt');
const question = 'Who came first?';
const context = 'In 1821 Ada came first, and Bob was second.';

let directory: string;
let dataset: string;
let datasetV2: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-cli-'));
  const qa = (id: string, text: string) => ({
    id,
    question,
    answers: [{ text, answer_start: context.indexOf(text) }],
  });
  const impossible = { id: 'none', question, answers: [], is_impossible: true };
  const squad = (qas: object[]) =>
    JSON.stringify({ version: '1.1', data: [{ title: 't', paragraphs: [{ context, qas }] }] });
  dataset = join(directory, 'set.json');
  datasetV2 = join(directory, 'set-v2.json');
  await writeFile(dataset, squad([qa('one', 'Ada'), qa('two', 'Bob')]));
  await writeFile(datasetV2, squad([qa('one', 'Ada'), impossible]));
});

interface AnswerDocument {
  readonly answers: { answer: string; score: number; start: number; end: number; context: number }[];
  readonly windows: number;
  readonly timing: Record<string, number>;
}

describe('answer', () => {
  it('prints one document with exact offsets', async () => {
    const args = ['answer', '--question', question, '--context', context, '--top-k', '3', '--json', ...model];
    const { answers, windows, timing } = (await runJson(args)) as AnswerDocument;
    expect(answers).toHaveLength(3);
    for (const { answer, start, end } of answers) expect(context.slice(start, end)).toBe(answer);
    expect(windows).toBe(1);
    expect(Object.keys(timing)).toEqual(['load_seconds', 'answer_seconds']);
  });

  it('accepts underscores, and files and texts in the order given', async () => {
    const file = join(directory, 'context.txt');
    await writeFile(file, 'It was so.\n');
    const args = [
      'answer',
      '--question',
      question,
      '--context',
      'At sea.',
      '--context_file',
      file,
      '--context',
      context,
    ];
    const { answers, windows } = (await runJson([
      ...args,
      '--top_k',
      '9',
      '--json',
      ...model,
    ])) as AnswerDocument;
    expect(windows).toBe(3);
    const texts = ['At sea.', 'It was so.\n', context];
    for (const { answer, start, end, context } of answers)
      expect(texts[context]!.slice(start, end)).toBe(answer);
    expect(new Set(answers.map(({ context }) => context)).size).toBeGreaterThan(1);
  });

  it('reads a long text in windows', async () => {
    const args = ['answer', '--question', question, '--context', context.repeat(20), '--json', ...model];
    const { windows } = (await runJson([
      ...args,
      '--max_seq_length',
      '50',
      '--doc-stride=10',
    ])) as AnswerDocument;
    expect(windows).toBeGreaterThan(20);
  });

  it('offers no answer under --no-answer', async () => {
    const args = [
      'answer',
      '--question',
      question,
      '--context',
      context,
      '--top-k',
      '999',
      '--json',
      ...model,
    ];
    const empty = async (...more: string[]) =>
      ((await runJson([...args, ...more])) as AnswerDocument).answers.filter(({ answer }) => answer === '');
    expect(await empty()).toEqual([]);
    expect(await empty('--no_answer')).toMatchObject([{ answer: '', start: 0, end: 0 }]);
  });

  it('prints the answer alone when piped, on one line', async () => {
    const args = [
      'answer',
      '--question',
      question,
      '--context',
      'a\nb c',
      '--max-answer-length',
      '3',
      ...model,
    ];
    const { out } = await run(args);
    expect(out).toMatch(/^[^\n]+\n$/);
    expect('a b c').toContain(out.trim());
  });

  it('draws for a terminal', async () => {
    const args = [
      'answer',
      '--question',
      question,
      '--context',
      `${context} So it was.`,
      '--top-k',
      '2',
      ...model,
    ];
    const { out } = await run(args, { columns: 80 });
    expect(out).toContain('%');
    expect(out).toMatch(/[█░]{10}/);
    // eslint-disable-next-line no-control-regex
    const plain = out.replace(/\x1b\[\d+m/g, '');
    expect(plain).toContain('In 1821 Ada came first, and Bob was second.');
    for (const line of plain.split('\n')) expect(line.length).toBeLessThan(200);
  });

  it('warns of a question that it cannot read whole', async () => {
    const args = [
      'answer',
      '--question',
      question,
      '--context',
      context,
      '--max-query-length',
      '5',
      ...model,
    ];
    const { err, exitCode } = await run(args);
    expect(exitCode).toBe(0);
    expect(err).toBe(
      'warning: the question has 13 pieces, of which the first 5 were read; --max-query-length sets the limit\n',
    );
  });
});

describe('logits', () => {
  it('prints what transformers computes', async () => {
    const { texts } = JSON.parse(await readFile(join(goldenModel, 'logits.json'), 'utf8')) as {
      texts: { question: string; context: string; window: Record<string, number[]> }[];
    };
    for (const { question, context, window } of texts) {
      const args = ['logits', '--question', question, '--context', context, '--json', ...model];
      const { windows } = (await runJson(args)) as { windows: Record<string, number[]>[] };
      expect(Object.keys(windows[0]!)).toEqual([
        'input_ids',
        'token_type_ids',
        'start_logits',
        'end_logits',
        'offsets',
      ]);
      for (const name of ['input_ids', 'token_type_ids', 'offsets'])
        expect(windows[0]![name]).toEqual(window[name]);
      for (const name of ['start_logits', 'end_logits']) {
        window[name]!.forEach((value, i) => expect(windows[0]![name]![i]).toBeCloseTo(value, 4));
      }
    }
  });

  it('prints a table without --json', async () => {
    const { out } = await run(['logits', '--question', 'a?', '--context', 'b', ...model]);
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(rows[0]).toEqual(['window', 'position', 'piece', 'start', 'end', 'start_logit', 'end_logit']);
    expect(rows.slice(1).map((row) => row[2])).toEqual(['[CLS]', 'a', '?', '[SEP]', 'b', '[SEP]']);
  });
});

describe('tokenize', () => {
  const lines = (out: string): unknown[] =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);

  it('prints a document for each line, from standard input', async () => {
    const { out } = await run(['tokenize', '--vocab', vocab], { input: 'Ab c.\n\né\r\nz' });
    expect(lines(out)).toEqual([
      {
        tokens: ['A', '##b', 'c', '.'],
        ids: [31, 58, 7, 83],
        offsets: [
          [0, 1],
          [1, 2],
          [3, 4],
          [4, 5],
        ],
      },
      { tokens: [], ids: [], offsets: [] },
      { tokens: ['[UNK]'], ids: [1], offsets: [[0, 1]] },
      { tokens: ['z'], ids: [30], offsets: [[0, 1]] },
    ]);
  });

  it('lower-cases under --uncased, and takes the vocabulary of a model', async () => {
    const file = join(directory, 'text.txt');
    await writeFile(file, 'AÉ\n');
    const tokens = [
      {
        tokens: ['a', '##e'],
        ids: [5, 61],
        offsets: [
          [0, 1],
          [1, 2],
        ],
      },
    ];
    expect(lines((await run(['tokenize', '--vocab', vocab, '--uncased', '--file', file])).out)).toEqual(
      tokens,
    );
    expect(lines((await run(['tokenize', '--model', goldenModel, '--uncased', '--file', file])).out)).toEqual(
      tokens,
    );
    expect(lines((await run(['tokenize', '--model', goldenModel, '--file', file])).out)).toEqual([
      { tokens: ['[UNK]'], ids: [1], offsets: [[0, 2]] },
    ]);
  });
});

describe('squad-features', () => {
  const args = ['squad-features', '--vocab', vocab];

  it('counts windows, by either meaning of the stride', async () => {
    const long = ['--max_seq_length', '40', '--doc_stride', '10', '--count'];
    const count = async (...more: string[]): Promise<string> =>
      (await run([...args, '--file', dataset, ...more])).out;
    expect(await count('--count')).toBe('2\n');
    // 34 pieces beside a question of 13: 24 fit; 24 + 14 for an overlap of 10, 24 + 10 for a step of 10.
    expect(await count(...long)).toBe('4\n');
    expect(await count(...long, '--stride-mode', 'step')).toBe('4\n');
    expect(await count(...long.slice(0, 2), '--doc_stride', '5', '--count', '--stride_mode', 'step')).toBe(
      '6\n',
    );
  });

  it('prints windows as lines, with labels if asked', async () => {
    const { out } = await run([...args, '--file', dataset]);
    const { out: labelled } = await run([...args, '--file', dataset, '--labels']);
    const [first] = out.split('\n').map((line) => (line === '' ? {} : (JSON.parse(line) as object)));
    expect(Object.keys(first!)).toEqual(['id', 'input_ids', 'token_type_ids', 'offsets']);
    const windows = labelled
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number> & { offsets: [number, number][] });
    const answers = windows.map(({ offsets, start_position, end_position }) =>
      context.slice(offsets[start_position!]![0], offsets[end_position!]![1]),
    );
    expect(answers).toEqual(['Ada', 'Bob']);
  });
});

describe('evaluate and score', () => {
  it.each(['v1.1', 'v2.0'])('agree, by the rules of %s', async (rules) => {
    const file = rules === 'v1.1' ? dataset : datasetV2;
    const output = join(directory, `output-${rules}`);
    const args = [
      'evaluate',
      '--dataset',
      file,
      '--output_dir',
      output,
      '--batch_size',
      '1',
      '--json',
      ...model,
    ];
    const metrics = (await runJson(args)) as Record<string, number>;
    expect(metrics).toMatchObject({ total: 2, windows: 2 });

    const predictions = join(output, 'predictions.json');
    const odds = join(output, 'null_odds.json');
    const scored = (await runJson([
      'score',
      '--dataset',
      file,
      '--predictions',
      predictions,
      '--json',
    ])) as object;
    expect(metrics).toMatchObject(scored);
    if (rules === 'v2.0') {
      const withOdds = [
        'score',
        '--dataset',
        file,
        '--predictions',
        predictions,
        '--null-odds',
        odds,
        '--json',
      ];
      expect(metrics).toMatchObject((await runJson([...withOdds, '--na-prob-thresh', '1e9'])) as object);
    } else await expect(readFile(odds)).rejects.toThrow('ENOENT');
    const nBest = JSON.parse(await readFile(join(output, 'nbest_predictions.json'), 'utf8')) as object;
    expect(Object.keys(nBest)).toEqual(
      Object.keys(JSON.parse(await readFile(predictions, 'utf8')) as object),
    );
  });

  it('score as the official programs do, and tell of questions without a prediction', async () => {
    const predictions = join(directory, 'mine.json');
    await writeFile(predictions, JSON.stringify({ one: 'the Ada!', other: 'x' }));
    const { out, err } = await run(['score', '--dataset', dataset, '--predictions', predictions]);
    expect(JSON.parse(out)).toEqual({ exact_match: 50, f1: 50, total: 2 });
    expect(err).toBe('warning: 1 of 2 questions have no prediction and score 0\n');
  });

  it('print a table without --json', async () => {
    const { out } = await run(['evaluate', '--dataset', dataset, ...model]);
    expect(out).toMatch(/^exact_match +[\d.]+\nf1 +[\d.]+\ntotal +2\nwindows +2\n/);
  });
});

describe('inspect', () => {
  it('tells configuration, parameters, memory and checksums', async () => {
    const report = (await runJson(['inspect', '--model', goldenModel, '--json'])) as {
      parameters: {
        count: number;
        stored: number;
        table: { count: number; dtype: string }[];
        unused: string[];
      };
      files: { name: string; bytes: number; sha256: string }[];
      memory: Record<string, number>;
      config: Record<string, unknown>;
    };
    const { parameters, files, memory, config } = report;
    // transformers: sum(p.numel() for p in model.parameters())
    expect(parameters.count).toBe(20_012);
    expect(parameters.stored).toBe(20_012);
    expect(parameters.table).toHaveLength(39);
    expect(parameters.unused).toEqual([]);
    expect(memory['weights_bytes']).toBe(4 * 20_012);
    expect(config).toMatchObject({ hidden_size: 32, vocab_size: 99 });
    const bytes = await readFile(vocab);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(files).toContainEqual({ name: 'vocab.txt', bytes: bytes.length, sha256 });
  });

  it('predicts what training takes of memory', async () => {
    const predict = async (...flags: string[]): Promise<Record<string, number>> => {
      const size = ['--training', '--max_seq_length', '64', '--per_device_train_batch_size', '3'];
      const report = await runJson(['inspect', '--model', goldenModel, ...size, ...flags, '--json']);
      return (report as { training: Record<string, number> }).training;
    };
    const kept = await predict();
    expect(kept['state_bytes']).toBe(4 * 4 * 20_012);
    const accumulated = await predict('--gradient_accumulation_steps', '2');
    expect(accumulated['state_bytes']).toBe(5 * 4 * 20_012);
    // Two layers of 32 with 4 heads: probabilities [3, 4, 64, 64] and states [3, 64, 32], a byte for each number's mask.
    expect(kept['mask_bytes']).toBe(2 * (3 * 4 * 64 * 64 + 2 * 3 * 64 * 32) + 3 * 64 * 32);
    const [cheap, layers] = [
      await predict('--gradient_checkpointing', 'cheap'),
      await predict('--gradient_checkpointing'),
    ];
    expect(cheap['activation_bytes']!).toBeLessThan(0.8 * kept['activation_bytes']!);
    expect(layers['activation_bytes']!).toBeLessThan(kept['activation_bytes']!);
  });

  it('counts a model of 2018 alike, and prints tables', async () => {
    const { out } = await run(['inspect', '--model', goldenModel]);
    expect(out).toMatch(/question answering {2}20,012/);
    expect(out).toMatch(/bert\.embeddings\.word_embeddings\.weight +\[99, 32\] +3,168 +F32/);
  });
});

describe('the program', () => {
  it('tells its version and its commands', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(await run(['--version'])).toEqual({ exitCode: 0, out: `${version}\n`, err: '' });
    const help = await run(['--help']);
    for (const name of [
      'answer',
      'logits',
      'tokenize',
      'squad-features',
      'evaluate',
      'score',
      'finetune',
      'inspect',
    ]) {
      expect(help.out).toMatch(new RegExp(`^ {2}${name}`, 'm'));
    }
    expect(help.exitCode).toBe(0);
  });

  it.each([[['answer', '--help']], [['help', 'answer']]])(
    'tells the options of a command: %j',
    async (args) => {
      const { exitCode, out, err } = await run(args);
      expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
      expect(out).toContain('--doc-stride <n>');
    },
  );

  it('prints its commands to standard error when called without any', async () => {
    const { exitCode, out, err } = await run([]);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    expect(err).toContain('Usage: bertram');
  });
});
