/** `prepare` from text files to shards: what is in them, the same bytes however they were made, and what is refused. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openPretrainingExamples, prepare } from '../../src/pretraining/index.ts';
import type { PrepareEvent, PrepareOptions } from '../../src/pretraining/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

/** Words of which the last part continues the first: `ab` and `##c`. */
const SYLLABLES = ['ba', 'co', 'di', 'fu', 'ge'];
const VOCABULARY = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  '.',
  ...SYLLABLES,
  ...SYLLABLES.map((syllable) => `##${syllable}`),
  ...Array.from({ length: 40 }, (_, document) => `t${document}`),
];
const idOf = (token: string): number => VOCABULARY.indexOf(token);

/** Forty documents whose every sentence begins with a word of their own. */
function corpus(documents = 40): string {
  return Array.from({ length: documents }, (_, document) =>
    Array.from({ length: 3 + (document % 7) }, (_, line) => {
      const word = SYLLABLES[(document + line) % 5]! + SYLLABLES[line % 5]!;
      const sentence = `T${document} ${word} ${word} ${SYLLABLES[line % 5]!}.`;
      return `${sentence} ${sentence} ${sentence}\n`;
    }).join(''),
  ).join('\n');
}

interface Files {
  readonly directory: string;
  readonly options: PrepareOptions;
}

function files(text: string | Uint8Array = corpus(), more: Partial<PrepareOptions> = {}): Files {
  const directory = temporaryDirectory();
  const input = join(directory, 'text.txt');
  const vocab = join(directory, 'vocab-file.txt');
  writeFileSync(input, text);
  writeFileSync(vocab, `${VOCABULARY.join('\n')}\n`);
  const options = {
    inputs: [input],
    outputDir: join(directory, 'shards'),
    vocab,
    lowercase: true,
    sentencePerLine: false,
    wholeWordMask: true,
    maxSeqLength: 37,
    maxPredictionsPerSeq: 7,
    maskedLmProb: 0.15,
    shortSeqProb: 0.1,
    dupeFactor: 3,
    heldOut: 0,
    shardPieces: 1700,
    seed: 5,
    workers: 1,
    ...more,
  };
  return { directory, options };
}

/** All files of a directory, with what is in them as a checksum. */
function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names
      .filter((name) => /\.\w+$/.test(name))
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(directory, name)))
          .digest('hex'),
      ]),
  );
}

/** The words that documents go by, of an example before it was masked. */
function titlesOf(ids: ArrayLike<number>): Set<number> {
  return new Set(Array.from(ids).filter((id) => id >= idOf('t0')));
}

async function restored(directory: string) {
  const examples = await openPretrainingExamples(directory);
  const all = Array.from({ length: examples.size }, (_, i) => {
    const example = examples.read(i);
    const original = Int32Array.from(example.inputIds);
    example.maskedLmPositions.forEach((position, k) => (original[position] = example.maskedLmIds[k]!));
    return { ...example, original };
  });
  const { lengths, maxSeqLength, maxPredictionsPerSeq } = examples;
  examples.close();
  return { all, lengths, maxSeqLength, maxPredictionsPerSeq };
}

describe('prepare', () => {
  it('makes examples of two segments, of one document or of two', async () => {
    const { options } = files();
    const { corpus: counts, training } = await prepare(options);
    expect(counts).toMatchObject({
      documents: 40,
      emptyDocuments: 0,
      sentences: 3 * 235,
      pieces: 3 * 235 * 7,
    });
    expect(training.shards.length).toBe(3 * Math.round((3 * 235 * 7) / 1700));

    const { all, lengths, maxSeqLength, maxPredictionsPerSeq } = await restored(options.outputDir);
    expect([maxSeqLength, maxPredictionsPerSeq]).toEqual([37, 7]);
    expect(all.length).toBe(training.counts.examples);
    expect([...lengths]).toEqual(all.map(({ inputIds }) => inputIds.length));
    for (const { original, secondSegment, nextSentenceLabel, maskedLmPositions } of all) {
      expect(original[0]).toBe(idOf('[CLS]'));
      expect([original[secondSegment - 1], original.at(-1)]).toEqual([idOf('[SEP]'), idOf('[SEP]')]);
      expect(original.filter((id) => id < 5).length).toBe(3);
      expect(maskedLmPositions.length).toBeLessThanOrEqual(7);
      const [a, b] = [titlesOf(original.slice(0, secondSegment)), titlesOf(original.slice(secondSegment))];
      expect(a.size).toBeLessThan(2);
      expect(b.size).toBeLessThan(2);
      if (a.size + b.size === 2) expect(new Set([...a, ...b]).size - 1).toBe(nextSentenceLabel);
    }
    // Every document is in every pass, and the passes differ.
    const titles = new Set(all.flatMap(({ original }) => [...titlesOf(original)]));
    expect(titles.size).toBe(40);
    const inOrder = all.map(
      ({ original, secondSegment }) => [...titlesOf(original.slice(0, secondSegment))][0],
    );
    const neighbours = inOrder.filter((title, i) => title !== undefined && title === inOrder[i + 1]).length;
    expect(neighbours / inOrder.length).toBeLessThan(0.4);
  });

  it('gives the same bytes with any number of threads, and others with another seed', async () => {
    const one = files(corpus(), { heldOut: 0.2 });
    await prepare(one.options);
    const two = files(corpus(), { heldOut: 0.2, workers: 2 });
    await prepare(two.options);
    const expected = contents(one.options.outputDir);
    expect(contents(two.options.outputDir)).toEqual(expected);
    const other = files(corpus(), { heldOut: 0.2, seed: 6 });
    await prepare(other.options);
    const shard = 'shard-00000.safetensors';
    expect(contents(other.options.outputDir)[shard]).not.toBe(expected[shard]);
  }, 120_000);

  it('reads gzip, several files and CR LF, each file ending its last document', async () => {
    const text = corpus();
    const plain = files(text);
    await prepare(plain.options);
    const half = text.indexOf('\n\n', text.length / 2);
    const zipped = files(gzipSync(text.slice(0, half + 1)));
    const second = join(zipped.directory, 'second.txt');
    writeFileSync(second, `\ufeff${text.slice(half + 2).replaceAll('\n', '\r\n')}`);
    await prepare({ ...zipped.options, inputs: [...zipped.options.inputs, second] });
    const [a, b] = [await restored(plain.options.outputDir), await restored(zipped.options.outputDir)];
    expect(b.all).toEqual(a.all);
  });

  it('holds out documents, from which no example to train on is made', async () => {
    const { options } = files(corpus(), { heldOut: 0.25 });
    const { training, heldOut } = await prepare(options);
    expect([training.documents, heldOut!.documents]).toEqual([30, 10]);
    const titles = async (directory: string) =>
      new Set((await restored(directory)).all.flatMap(({ original }) => [...titlesOf(original)]));
    const [trained, held] = [
      await titles(options.outputDir),
      await titles(join(options.outputDir, 'held-out')),
    ];
    expect([trained.size, held.size]).toEqual([30, 10]);
    expect(new Set([...trained, ...held]).size).toBe(40);
    expect(readFileSync(join(options.outputDir, 'held-out/vocab.txt'), 'utf8')).toContain('[MASK]');
  });

  it('leaves out documents without a piece, and counts them', async () => {
    const events: PrepareEvent[] = [];
    const text = `${corpus(5)}\n\n\n\u200b\n\n${corpus(5)}`;
    const { options } = files(text, { onEvent: (event) => events.push(event) });
    const { corpus: counts } = await prepare(options);
    expect(counts).toMatchObject({ documents: 10, emptyDocuments: 3 });
    expect(events.map(({ type }) => type)).toContain('tokenized');
  });

  it('takes lines as sentences if told so, and reads a line of 10 MB', async () => {
    const long = 'bacofu '.repeat(1_500_000);
    const { options } = files(`t1 ba. ba.\nco\n\n${long}\n\nfu ba\ndi`, {
      sentencePerLine: true,
      dupeFactor: 1,
    });
    const { corpus: counts, training } = await prepare(options);
    expect(counts).toMatchObject({ documents: 3, sentences: 5, pieces: 5 + 1 + 4_500_000 + 2 + 1 });
    expect(training.counts.truncated).toBeGreaterThan(4_000_000);
  });
});

describe('a run that was interrupted', () => {
  it('goes on where it was killed, to the same bytes', async () => {
    const { options } = files(corpus(), { shardPieces: 300, heldOut: 0.2 });
    const whole = files(corpus(), { shardPieces: 300, heldOut: 0.2 });
    await prepare(whole.options);
    const script = `
      import('tsx/esm/api').then(async ({ register }) => {
        register();
        const { prepare } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/pretraining/index.ts'))});
        let shards = 0;
        await prepare({ ...${JSON.stringify(options)}, onEvent: ({ type }) => {
          if (type === 'shard' && ++shards === 12) process.kill(process.pid, 'SIGKILL');
        } });
      });`;
    const signal = await new Promise((resolve) => {
      spawn(process.execPath, ['-e', script]).on('close', (_code, killedBy) => resolve(killedBy));
    });
    expect(signal).toBe('SIGKILL');
    expect(existsSync(join(options.outputDir, 'manifest.json'))).toBe(false);
    // One shard was damaged since: it is made again.
    appendFileSync(join(options.outputDir, 'held-out/shard-00003.safetensors'), 'x');
    writeFileSync(join(options.outputDir, '.shard-00004.safetensors.0123456789ab.tmp'), 'half');

    const events: PrepareEvent[] = [];
    await prepare({ ...options, onEvent: (event) => events.push(event) });
    expect(events[0]!.type).toBe('resumed');
    const reused = events.filter((event) => event.type === 'shard' && event.reused).length;
    expect(reused).toBeGreaterThanOrEqual(10);
    expect(reused).toBeLessThan(events.length - 12);
    expect(contents(options.outputDir)).toEqual(contents(whole.options.outputDir));
    expect(
      readdirSync(options.outputDir, { recursive: true }).filter((name) => String(name).includes('.tmp')),
    ).toEqual([]);
  }, 120_000);

  it('is not gone on with by another recipe', async () => {
    const { options } = files();
    const stop = new Error('stop');
    const stopping = prepare({
      ...options,
      onEvent: ({ type }) => {
        if (type === 'shard') throw stop;
      },
    });
    await expect(stopping).rejects.toBe(stop);
    await expect(prepare({ ...options, dupeFactor: 4 })).rejects.toThrow(
      /shards: expected an empty directory or shards of the same recipe, got shards with another dupe_factor/,
    );
    await prepare(options);
  });

  it('that was complete is verified and left alone', async () => {
    const { options } = files();
    await prepare(options);
    const before = contents(options.outputDir);
    const events: PrepareEvent[] = [];
    const { corpus: counts } = await prepare({ ...options, onEvent: (event) => events.push(event) });
    expect([counts, events]).toEqual([undefined, []]);
    expect(contents(options.outputDir)).toEqual(before);
    await expect(prepare({ ...options, seed: 1 })).rejects.toThrow(/shards with another seed/);
    appendFileSync(join(options.outputDir, 'shard-00001.safetensors'), 'x');
    await expect(prepare(options)).rejects.toThrow(
      /shard-00001\.safetensors: expected the file that was written/,
    );
  });
});

describe('bad input', () => {
  const NUL = `${corpus(3)}\n\nba\n\u0000\n`;
  const BAD_UTF8 = Buffer.concat([Buffer.from(corpus(2)), Buffer.from([0x62, 0xff, 0x0a])]);
  it.each([
    [
      'one document',
      corpus(1),
      /text\.txt: expected at least two documents, with a blank line between, .*, got 1$/,
    ],
    ['no text', '', /expected at least two documents, .*, got 0$/],
    ['binary data', NUL, /text\.txt: line 18: expected text, got binary data \(a NUL byte\)$/],
    ['other bytes than UTF-8', BAD_UTF8, /text\.txt: line 9: expected text in UTF-8, got other bytes$/],
    ['damaged gzip', gzipSync(corpus()).subarray(0, 60), /text\.txt: expected a whole gzip file, got /],
    [
      'a line of more than 64 MiB',
      gzipSync(Buffer.alloc(2 ** 26 + 1, 'x'), { level: 1 }),
      /^[^\n]*text\.txt: expected lines of at most 67108864 bytes, got a longer one, from byte 0 on$/,
    ],
  ])('of %s is refused in one line', async (_, text, message) => {
    const { options } = files(text);
    await expect(prepare(options)).rejects.toThrow(message);
    // Nothing is left that a better input would stumble over.
    expect(readdirSync(options.outputDir)).toEqual([]);
  });

  it.each(['[MASK]', '[CLS]', '[SEP]', '[UNK]'])('of a vocabulary without %s is refused', async (token) => {
    const { options } = files();
    writeFileSync(options.vocab, `${VOCABULARY.filter((other) => other !== token).join('\n')}\n`);
    await expect(prepare(options)).rejects.toThrow(
      /vocab-file\.txt: expected a \[\w+\] token, got 55 tokens without it/,
    );
    expect(existsSync(options.outputDir)).toBe(false);
  });

  it('of files that are absent or a directory that is in use is refused', async () => {
    const { options, directory } = files();
    await expect(prepare({ ...options, inputs: [join(directory, 'none')] })).rejects.toThrow(
      /none: cannot be read/,
    );
    await expect(prepare({ ...options, inputs: [directory] })).rejects.toThrow(/expected a text file/);
    mkdirSync(options.outputDir);
    writeFileSync(join(options.outputDir, 'thesis.doc'), '');
    await expect(prepare(options)).rejects.toThrow(
      /shards: expected an empty directory, got one with thesis\.doc in it/,
    );
    await expect(prepare({ ...options, maxSeqLength: 4 })).rejects.toThrow(/max_seq_length/);
  });
});

describe('shards that are read', () => {
  async function prepared(): Promise<string> {
    const { options } = files();
    await prepare(options);
    return options.outputDir;
  }

  it.each([
    ['cut short', (path: string) => truncateSync(path, 500)],
    ['changed', (path: string) => appendFileSync(path, '\0')],
  ])('are refused when one was %s', async (_, damage) => {
    const directory = await prepared();
    damage(join(directory, 'shard-00002.safetensors'));
    await expect(openPretrainingExamples(directory)).rejects.toThrow(
      /shard-00002\.safetensors: expected SHA-256 [0-9a-f]{64}, as when it was written, got [0-9a-f]{64}$/,
    );
  });

  it('are refused when they are of another vocabulary than the one beside them, or than each other', async () => {
    const directory = await prepared();
    const manifestPath = join(directory, 'manifest.json');
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as {
      recipe: { vocabulary_sha256: string };
    };
    appendFileSync(join(directory, 'vocab.txt'), 'another\n');
    await expect(openPretrainingExamples(directory)).rejects.toThrow(
      /vocab\.txt: expected the vocabulary of the shards/,
    );

    const other = await prepared();
    writeFileSync(join(other, 'vocab.txt'), 'another\n');
    // The manifest now agrees with vocab.txt, and its shards do not.
    manifest.recipe.vocabulary_sha256 = createHash('sha256').update('another\n').digest('hex');
    writeFileSync(join(other, 'manifest.json'), JSON.stringify(manifest));
    await expect(openPretrainingExamples(other)).rejects.toThrow(
      /shard-00000\.safetensors: expected ids of vocabulary [0-9a-f]{64}, got [0-9a-f]{64}$/,
    );
  });

  it('are refused without their manifest, or with one that does not fit', async () => {
    const directory = await prepared();
    const path = join(directory, 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"seed": 5', '"seed": "five"'));
    await expect(openPretrainingExamples(directory)).rejects.toThrow(
      /manifest\.json: recipe\.seed: expected .*, got "five"/,
    );
    const { directory: empty } = files();
    await expect(openPretrainingExamples(empty)).rejects.toThrow(
      /expected manifest\.json of bertram prepare, got none/,
    );
    await expect(openPretrainingExamples(join(empty, 'none'))).rejects.toThrow(/none: cannot be read/);
  });
});
