/**
 * Our tokenizer against the Rust library `tokenizers` on one thread: megabytes of UTF-8 a second, one call a paragraph,
 * cased and uncased, ids and offsets on both sides.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { BertramError } from '../src/support/errors.ts';
import { BertTokenizer } from '../src/tokenizers/index.ts';
import { median, requirePeer } from './bench-result.ts';
import type { BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const MODES = ['cased', 'uncased'] as const;
type Mode = (typeof MODES)[number];

const RUNS = 5;
/** One paragraph in so many: about ten megabytes of Wikipedia and novels. */
const EVERY = 26;

const shared = new URL('../../shared/data/', import.meta.url);

interface Measurement {
  readonly seconds: number;
  /** Of all threads: what `seconds` would be on a machine with nothing else to do. */
  readonly cpuSeconds: number;
  readonly pieces: number;
  /** Most memory the process has had; ours has unpacked the sample, too. */
  readonly megabytes: number;
}

interface Run {
  readonly mode: Mode;
  readonly ours: Measurement;
  readonly peer: Measurement;
  readonly peerVersion: string;
  /** Of the machine over the last minute, this run included. */
  readonly loadAverage: number;
}

function sampleParagraphs(): string[] {
  return ['wikipedia', 'novels'].flatMap((name) => {
    const text = gunzipSync(readFileSync(new URL(`text/${name}.txt.gz`, shared)));
    const paragraphs: string[] = [];
    for (let start = 0, number = 1; start < text.length; number++) {
      const end = text.indexOf(0x0a, start);
      if (number % EVERY === 0) paragraphs.push(text.toString('utf8', start, end));
      start = end < 0 ? text.length : end + 1;
    }
    return paragraphs;
  });
}

function measureOurs(tokenizer: BertTokenizer, paragraphs: readonly string[]): Measurement {
  let pieces = 0;
  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  for (const paragraph of paragraphs) pieces += tokenizer.encode(paragraph).ids.length;
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBegan);
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    pieces,
    megabytes: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

/**
 * Measures both sides in turns.
 * @throws BertramError `not-found` without ../shared/data or a Python that has `tokenizers`; `failed` when the two
 *   sides do not find the same number of pieces
 */
export async function run(): Promise<BenchResult> {
  if (!existsSync(shared))
    throw new BertramError('not-found', 'bench tokenizer: expected ../shared/data, got nothing');
  const python = requirePeer('tokenizer', 'tokenizers');
  const paragraphs = sampleParagraphs();
  const text = paragraphs.join('\n');
  const megabytes = Buffer.byteLength(text) / 1e6;
  const vocabularies = Object.fromEntries(
    MODES.map((mode) => [mode, fileURLToPath(new URL(`vocab/bert-${mode}/vocab.txt`, shared))]),
  ) as Record<Mode, string>;
  const ours = MODES.map((mode) => ({
    mode,
    tokenizer: BertTokenizer.fromVocab(readFileSync(vocabularies[mode], 'utf8'), {
      lowercase: mode === 'uncased',
    }),
  }));

  const directory = mkdtempSync(join(tmpdir(), 'bertram-bench-'));
  const file = join(directory, 'text.txt');
  writeFileSync(file, text);
  const peer = PeerProcess.python(python, 'peers/tokenizer.py');
  try {
    const { version } = await peer.ask<{ version: string }>(JSON.stringify({ text: file, vocabularies }));
    const runs: Run[] = [];
    for (let number = 0; number < RUNS; number++) {
      for (const { mode, tokenizer } of ours) {
        const mine = measureOurs(tokenizer, paragraphs);
        const theirs = await peer.ask<Measurement>(mode);
        if (mine.pieces !== theirs.pieces) {
          throw new BertramError(
            'failed',
            `bench tokenizer: expected ${theirs.pieces} pieces, got ${mine.pieces}`,
          );
        }
        runs.push({ mode, ours: mine, peer: theirs, peerVersion: version, loadAverage: loadavg()[0]! });
      }
    }
    const speed = (side: 'ours' | 'peer') => megabytes / median(runs.map((entry) => entry[side].seconds));
    return {
      name: 'tokenizer',
      ours: speed('ours'),
      peer: speed('peer'),
      unit: 'MB/s',
      ratio: speed('ours') / speed('peer'),
      runs,
    };
  } finally {
    await peer.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
