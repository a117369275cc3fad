/** `bertram vocab`: what it writes, what it says that it left out, and what it refuses. */
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { run, runJson } from './captured-terminal.ts';

/** A directory for all files; `DIR` in arguments and messages. */
let directory: string;
const at = (...names: string[]): string => join(directory, ...names);
const vocab = (args: string) => run(['vocab', ...args.replaceAll('DIR', directory).split(' ')]);

const TEXT = 'hug hug hug hug hug pug pug\nhug hug hug hug hug pug pug pug\nhugs hugs hugs hugs hugs\n';
/** The worked example of word-piece-trainer.ts: special tokens, characters, and the first two joins. */
const LEARNT = '[PAD] [UNK] [CLS] [SEP] [MASK] g h p s u ##g ##s ##u ##ug hug'.replaceAll(' ', '\n') + '\n';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-vocab-'));
  await mkdir(at('empty'));
  await writeFile(at('text.txt'), TEXT);
  await writeFile(at('first.txt'), TEXT.slice(0, TEXT.indexOf('\n') + 1));
  // Gzip is told by its bytes, not by the name.
  await writeFile(at('rest.text'), gzipSync(TEXT.slice(TEXT.indexOf('\n') + 1)));
  await writeFile(at('nothing.txt'), '');
  await writeFile(at('blank.txt'), ' \n\n\t');
  await writeFile(at('binary.txt'), Uint8Array.of(0x61, 0x0a, 0x62, 0x00, 0x63));
  await writeFile(at('latin1.txt'), Uint8Array.of(0x61, 0x0a, 0x0a, 0x63, 0xe9, 0x0a));
  await writeFile(at('utf16.txt'), Buffer.from('\ufeffAda came.\n', 'utf16le'));
  await writeFile(at('cut.txt.gz'), gzipSync(TEXT.repeat(1000)).subarray(0, 60));
});

describe('writes', () => {
  it('a vocabulary, from one file or several, plain or gzipped', async () => {
    for (const input of [
      'DIR/text.txt',
      'DIR/first.txt DIR/rest.text',
      'DIR/first.txt --input DIR/rest.text',
    ]) {
      expect(await vocab(`--input ${input} --vocab-size 15 --output DIR/out.txt`)).toEqual({
        exitCode: 0,
        out: '',
        err: expect.stringMatching(
          /^15 tokens learnt from 20 words, 3 of them distinct, in [\d.]+ s, written to .*out\.txt\n$/,
        ) as string,
      });
      expect(await readFile(at('out.txt'), 'utf8')).toBe(LEARNT);
    }
    expect((await readdir(directory)).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('one that tokenize uses at once', async () => {
    await vocab('--input DIR/text.txt --vocab-size 15 --output DIR/used.txt');
    const { out } = await run(['tokenize', '--vocab', at('used.txt')], { input: 'hugs pug\n' });
    expect((JSON.parse(out) as { tokens: string[] }).tokens).toEqual(['hug', '##s', 'p', '##ug']);
  });

  it('one document about it', async () => {
    const args = ['--input', at('text.txt'), '--vocab-size', '15', '--output', at('json.txt'), '--json'];
    expect(await runJson(['vocab', ...args])).toEqual({
      output: at('json.txt'),
      vocab_size: 15,
      bytes: TEXT.length,
      words: 20,
      distinct_words: 3,
      warnings: [],
      seconds: expect.any(Number) as number,
    });
  });

  it("uncased, with BERT's unused entries", async () => {
    await writeFile(at('cased.txt'), 'École ecole ECOLE\n');
    await vocab(
      '--input DIR/cased.txt --vocab_size 200 --output DIR/uncased.txt --uncased --unused-tokens 99',
    );
    const tokens = (await readFile(at('uncased.txt'), 'utf8')).split('\n');
    expect(tokens.slice(98, 105)).toEqual([
      '[unused98]',
      '[unused99]',
      '[UNK]',
      '[CLS]',
      '[SEP]',
      '[MASK]',
      'c',
    ]);
    expect(tokens).toContain('ecole');
    expect(tokens.slice(104).join('')).toMatch(/^[ceol#]+$/);
  });

  it('the same for a line of ten megabytes as for many lines', async () => {
    const words = Array.from({ length: 200_000 }, (_, i) => `${(i * 7919) % 3001}xé`);
    for (const [name, separator] of [
      ['lines.txt', '\n'],
      ['line.txt', ' '],
    ] as const) {
      await writeFile(at(name), `${words.join(separator)}${separator}`.repeat(8));
      const { exitCode, err } = await vocab(
        `--input DIR/${name} --vocab-size 500 --output DIR/${name}.vocab`,
      );
      expect({ exitCode, err }).toEqual({ exitCode: 0, err: expect.stringMatching(/^500 tokens/) as string });
    }
    expect((await readFile(at('line.txt'))).length).toBeGreaterThan(1e7);
    expect(await readFile(at('line.txt.vocab'), 'utf8')).toBe(await readFile(at('lines.txt.vocab'), 'utf8'));
  });
});

describe('says what it left out', () => {
  it.each<[what: string, args: string, warning: string]>([
    [
      'fewer tokens than asked for',
      '--input DIR/text.txt --vocab-size 100',
      'only 17 of 100 tokens: nothing more occurs 2 times; --min-frequency sets the limit',
    ],
    [
      'characters',
      '--input DIR/text.txt --vocab-size 13 --limit-alphabet 4',
      'only the 4 most frequent characters were kept: 1 others, met 5 times, are [UNK]; --limit-alphabet sets the limit',
    ],
    [
      'rare words',
      '--input DIR/text.txt --vocab-size 13 --max-words 2',
      'more than 2 distinct words: 2 rare ones, met 6 times, were forgotten; --max-words sets the limit',
    ],
    ['an empty file', '--input DIR/nothing.txt DIR/text.txt --vocab-size 15', 'DIR/nothing.txt is empty'],
  ])('%s', async (_, args, warning) => {
    const { exitCode, err } = await vocab(`${args} --output DIR/warned.txt`);
    expect(exitCode).toBe(0);
    expect(err.replaceAll(directory, 'DIR').split('\n')[0]).toBe(`warning: ${warning}`);
  });

  it('long words', async () => {
    await writeFile(at('long.txt'), `${TEXT}${'x'.repeat(101)} ${'y'.repeat(3_000_000)}\n`);
    const { err } = await vocab('--input DIR/long.txt --vocab-size 15 --output DIR/warned.txt');
    expect(err.split('\n')[0]).toBe(
      'warning: words of more than 100 characters, which are always [UNK], were left out 2 times',
    );
    expect(await readFile(at('warned.txt'), 'utf8')).toBe(LEARNT);
  });
});

describe('refuses', () => {
  it.each<[args: string, message: string]>([
    ['--vocab-size 9 --output DIR/o', 'expected --input <file...>, got none'],
    ['--input DIR/text.txt --output DIR/o', 'expected --vocab-size <n>, got none'],
    [
      '--input DIR/text.txt --vocab-size many --output DIR/o',
      '--vocab-size: expected a whole number from 1, got "many"',
    ],
    [
      '--input DIR/text.txt --vocab-size 5 --output DIR/o',
      '--vocab-size: expected more than the 5 special tokens, got 5',
    ],
    [
      '--input DIR/text.txt --vocab-size 12 --output DIR/o',
      'vocab_size: expected at least 13, for special tokens and characters, got 12',
    ],
    [
      '--input DIR/text.txt --vocab-size 100 --unused-tokens 99 --output DIR/o',
      '--vocab-size: expected more than the 104 special tokens, got 100',
    ],
    [
      '--input DIR/text.txt --vocab-size 15 --output DIR/none/o',
      'DIR/none/o: cannot be written: no such file or directory (ENOENT)',
    ],
    [
      '--input DIR/text.txt --vocab-size 15 --output DIR/empty',
      'DIR/empty: expected a file to write, got a directory',
    ],
    [
      '--input DIR/text.txt --vocab-size 15 --output DIR/text.txt/o',
      'DIR/text.txt/o: expected a directory to write into, got the file DIR/text.txt',
    ],
    [
      '--input DIR/none --vocab-size 15 --output DIR/o',
      'DIR/none: cannot be read: no such file or directory (ENOENT)',
    ],
    [
      '--input DIR/empty --vocab-size 15 --output DIR/o',
      'DIR/empty: cannot be read: illegal operation on a directory (EISDIR)',
    ],
    [
      '--input DIR/nothing.txt --vocab-size 15 --output DIR/o',
      '--input: expected text to learn from, got no words in the file',
    ],
    [
      '--input DIR/nothing.txt DIR/blank.txt --vocab-size 15 --output DIR/o',
      '--input: expected text to learn from, got no words in 2 files',
    ],
    [
      '--input DIR/text.txt DIR/binary.txt --vocab-size 15 --output DIR/o',
      'DIR/binary.txt: line 2: expected text, got binary data (a NUL byte)',
    ],
    [
      '--input DIR/latin1.txt --vocab-size 15 --output DIR/o',
      'DIR/latin1.txt: line 3: expected text in UTF-8, got other bytes',
    ],
    [
      '--input DIR/utf16.txt --vocab-size 15 --output DIR/o',
      'DIR/utf16.txt: line 1: expected text, got binary data (a NUL byte)',
    ],
    [
      '--input DIR/cut.txt.gz --vocab-size 15 --output DIR/o',
      'DIR/cut.txt.gz: expected a whole gzip file, got unexpected end of file',
    ],
  ])('%s', async (args, message) => {
    const { exitCode, out, err } = await vocab(args);
    expect({ exitCode, out, err: err.replaceAll(directory, 'DIR') }).toEqual({
      exitCode: 2,
      out: '',
      err: `bertram vocab: ${message}\n`,
    });
    expect(await readdir(directory)).not.toContain('o');
  });

  it('and leaves an older vocabulary as it was', async () => {
    await writeFile(at('kept.txt'), 'old');
    await vocab('--input DIR/latin1.txt --vocab-size 15 --output DIR/kept.txt');
    expect(await readFile(at('kept.txt'), 'utf8')).toBe('old');
  });
});
