/**
 * Learning a vocabulary against the Rust library `tokenizers` on one thread: 200 MB of Wikipedia but every fiftieth
 * line, 30,000 tokens, cased and uncased; megabytes of UTF-8 a second from the file to the vocabulary. Every fiftieth
 * line, which neither side has seen, then tells how well each vocabulary compresses: pieces for a word.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { BertramError } from '../src/support/errors.ts';
import { BasicTokenizer, BertTokenizer } from '../src/tokenizers/index.ts';
import { median, requirePeer } from './bench-result.ts';
import type { BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const MODES = ['cased', 'uncased'] as const;
type Mode = (typeof MODES)[number];

const RUNS = 2;
const VOCAB_SIZE = 30_000;
const HELD_OUT_EVERY = 50;

const corpus = new URL('../../shared/data/text/wikipedia.txt.gz', import.meta.url);

/** What a side answers for one vocabulary learnt. */
interface Measurement {
  readonly seconds: number;
  /** Of all threads: what `seconds` would be on a machine with nothing else to do. */
  readonly cpuSeconds: number;
  /** Most memory the process has had, where the system tells. */
  readonly megabytes?: number;
}

interface Side extends Measurement {
  /** Pieces for a word of text that was held out. */
  readonly piecesPerWord: number;
}

interface Run {
  readonly mode: Mode;
  readonly ours: Side;
  readonly peer: Side;
  /** Of our pieces for a word to the peer's. */
  readonly piecesRatio: number;
  readonly peerVersion: string;
  /** Of the machine over the last minute, this run included. */
  readonly loadAverage: number;
}

/** The lines to learn from as one text, and the lines held out. */
function dividedCorpus(): { readonly training: Uint8Array; readonly heldOut: string[] } {
  const text = gunzipSync(readFileSync(corpus));
  const training: Uint8Array[] = [];
  const heldOut: string[] = [];
  for (let start = 0, number = 1; start < text.length; number++) {
    const end = text.indexOf(0x0a, start);
    const next = end < 0 ? text.length : end + 1;
    if (number % HELD_OUT_EVERY === 0) heldOut.push(text.toString('utf8', start, next).trimEnd());
    else training.push(text.subarray(start, next));
    start = next;
  }
  return { training: Buffer.concat(training), heldOut };
}

function piecesPerWord(vocabularyFile: string, mode: Mode, texts: readonly string[]): number {
  const options = { lowercase: mode === 'uncased' };
  const tokenizer = BertTokenizer.fromVocab(readFileSync(vocabularyFile, 'utf8'), options, vocabularyFile);
  const words = new BasicTokenizer(options);
  let pieceCount = 0;
  let wordCount = 0;
  for (const text of texts) {
    pieceCount += tokenizer.encode(text).ids.length;
    wordCount += words.words(text).length;
  }
  return pieceCount / wordCount;
}

/**
 * Measures both sides in turns, each vocabulary in a process of its own.
 * @throws BertramError `not-found` without ../shared/data or a Python that has `tokenizers`
 */
export async function run(): Promise<BenchResult> {
  if (!existsSync(corpus)) {
    throw new BertramError(
      'not-found',
      'bench vocab: expected ../shared/data/text/wikipedia.txt.gz, got nothing',
    );
  }
  const python = requirePeer('vocab', 'tokenizers');
  const { training, heldOut } = dividedCorpus();
  const directory = mkdtempSync(join(tmpdir(), 'bertram-bench-'));
  const text = join(directory, 'text.txt');
  writeFileSync(text, training);
  const learn = async (peer: PeerProcess, name: string, mode: Mode): Promise<Side & { version: string }> => {
    const output = join(directory, `${name}.txt`);
    const request = { text, output, vocabSize: VOCAB_SIZE, uncased: mode === 'uncased' };
    try {
      const measured = await peer.ask<Measurement & { version: string }>(JSON.stringify(request));
      return { ...measured, piecesPerWord: piecesPerWord(output, mode, heldOut) };
    } finally {
      await peer.close();
    }
  };

  try {
    const runs: Run[] = [];
    for (let number = 0; number < RUNS; number++) {
      for (const mode of MODES) {
        const ours = await learn(PeerProcess.typescript('sides/vocab.ts'), 'ours', mode);
        const { version, ...peer } = await learn(PeerProcess.python(python, 'peers/vocab.py'), 'peer', mode);
        const piecesRatio = ours.piecesPerWord / peer.piecesPerWord;
        runs.push({ mode, ours, peer, piecesRatio, peerVersion: version, loadAverage: loadavg()[0]! });
      }
    }
    const speed = (side: 'ours' | 'peer') =>
      training.length / 1e6 / median(runs.map((entry) => entry[side].seconds));
    return {
      name: 'vocab',
      ours: speed('ours'),
      peer: speed('peer'),
      unit: 'MB/s',
      ratio: speed('ours') / speed('peer'),
      runs,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
