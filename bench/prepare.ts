/**
 * `bertram prepare` against the Rust library `tokenizers`: megabytes of text a second, from text to finished shards on
 * all cores, over what the library's `encode` takes on one thread to tokenize the same text and do nothing else.
 *
 * The yardstick stands in for google-research/bert's create_pretraining_data.py, which does 0.20 of it at dupe factor 1
 * and 0.085 at 5: twenty times the script is a ratio of 4 and of 1.7.
 */
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGunzip } from 'node:zlib';
import { BertramError } from '../src/support/errors.ts';
import { median, requirePeer } from './bench-result.ts';
import type { BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const RUNS = 3;
const TEXT_BYTES = 120_000_000;
const DUPE_FACTORS = [1, 5] as const;
/** What Google's script does, in parts of what `tokenizers` does. */
const SCRIPT = { 1: 0.2, 5: 0.085 } as const;

const shared = new URL('../../shared/data/', import.meta.url);

interface Ours {
  readonly seconds: number;
  /** Of all threads together. */
  readonly cpuSeconds: number;
  readonly examples: number;
  /** Most memory that the process, with all its threads, has had. */
  readonly peakBytes: number;
}

/** What peers/tokenizer.py answers. */
interface Theirs {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

interface Run {
  readonly dupeFactor: 1 | 5;
  /** Of text. */
  readonly megabytes: number;
  readonly ours: Ours;
  readonly peer: Theirs;
  readonly oursMegabytesPerSecond: number;
  readonly peerMegabytesPerSecond: number;
  readonly ratio: number;
  /** How many times the speed of Google's script that is. */
  readonly timesTheScript: number;
  /** The ratio of processor times, with ours spread evenly over all cores: what a quiet machine gives at best. */
  readonly quietRatio: number;
  readonly peerVersion: string;
  /** Of the machine over the last minute, this run included. */
  readonly loadAverage: number;
}

/** What goes into RESULTS.md: a line for each dupe factor. */
interface Medians {
  readonly medianOf: number;
  readonly dupeFactor: number;
  readonly megabytes: number;
  readonly oursMegabytesPerSecond: number;
  readonly peerMegabytesPerSecond: number;
  readonly ratio: number;
  readonly timesTheScript: number;
  readonly quietRatio: number;
  readonly peakBytes: number;
  readonly loadAverage: readonly [least: number, most: number];
}

function medianOf(runs: readonly Run[]): Medians {
  const middle = (value: (run: Run) => number): number => median(runs.map(value));
  const loads = runs.map(({ loadAverage }) => loadAverage);
  return {
    medianOf: runs.length,
    dupeFactor: runs[0]!.dupeFactor,
    megabytes: runs[0]!.megabytes,
    oursMegabytesPerSecond: middle((run) => run.oursMegabytesPerSecond),
    peerMegabytesPerSecond: middle((run) => run.peerMegabytesPerSecond),
    ratio: middle(({ ratio }) => ratio),
    timesTheScript: middle(({ timesTheScript }) => timesTheScript),
    quietRatio: middle(({ quietRatio }) => quietRatio),
    peakBytes: Math.max(...runs.map(({ ours }) => ours.peakBytes)),
    loadAverage: [Math.min(...loads), Math.max(...loads)],
  };
}

/** The first whole documents of Wikipedia. */
async function sample(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const text = createReadStream(new URL('text/wikipedia.txt.gz', shared)).pipe(createGunzip());
  for await (const chunk of text as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= TEXT_BYTES) break;
  }
  const joined = Buffer.concat(chunks);
  return joined.subarray(0, joined.lastIndexOf('\n\n', TEXT_BYTES) + 1);
}

/**
 * Measures both sides in turns.
 * @throws BertramError `not-found` without ../shared/data or a Python that has `tokenizers`
 */
export async function run(): Promise<BenchResult> {
  if (!existsSync(shared))
    throw new BertramError('not-found', 'bench prepare: expected ../shared/data, got nothing');
  const python = requirePeer('prepare', 'tokenizers');
  const directory = mkdtempSync(join(tmpdir(), 'bertram-bench-'));
  const file = join(directory, 'text.txt');
  writeFileSync(file, await sample());
  const megabytes = readFileSync(file).length / 1e6;
  const vocab = fileURLToPath(new URL('vocab/bert-cased/vocab.txt', shared));
  const peer = PeerProcess.python(python, 'peers/tokenizer.py');
  try {
    const { version } = await peer.ask<{ version: string }>(
      JSON.stringify({ text: file, vocabularies: { cased: vocab } }),
    );
    const runs: Run[] = [];
    for (let number = 0; number < RUNS; number++) {
      const theirs = await peer.ask<Theirs>('cased');
      for (const dupeFactor of DUPE_FACTORS) {
        const output = join(directory, `shards-${number}-${dupeFactor}`);
        const side = PeerProcess.typescript('sides/prepare.ts', file, vocab, output, String(dupeFactor));
        const ours = await side.read<Ours>();
        await side.close();
        rmSync(output, { recursive: true });
        runs.push({
          dupeFactor,
          megabytes,
          ours,
          peer: theirs,
          oursMegabytesPerSecond: megabytes / ours.seconds,
          peerMegabytesPerSecond: megabytes / theirs.seconds,
          ratio: theirs.seconds / ours.seconds,
          timesTheScript: theirs.seconds / ours.seconds / SCRIPT[dupeFactor],
          quietRatio: (theirs.cpuSeconds / ours.cpuSeconds) * availableParallelism(),
          peerVersion: version,
          loadAverage: loadavg()[0]!,
        });
      }
    }
    const medians = DUPE_FACTORS.map((factor) =>
      medianOf(runs.filter(({ dupeFactor }) => dupeFactor === factor)),
    );
    const [once] = medians as [Medians, ...Medians[]];
    return {
      name: 'prepare',
      ours: once.oursMegabytesPerSecond,
      peer: once.peerMegabytesPerSecond,
      unit: 'MB/s',
      ratio: once.ratio,
      runs: [...runs, ...medians],
    };
  } finally {
    await peer.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
