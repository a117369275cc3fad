/** `bertram prepare` on several ranks: the bytes of one process, after a kill as well, and what is refused. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildIfStale } from '../e2e/built-program.ts';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { letterCorpus } from '../pretraining/letter-corpus.ts';
import { hasMpirun, mpirunEnvironment } from './mpirun.ts';
import { bertram, bertramOn, pidOfRank, program } from './ranks.ts';

const directory = mkdtempSync(join(tmpdir(), 'bertram-prepare-ranks-'));
const inside = (...path: string[]): string => join(directory, ...path);
const BATCH_BYTES = 2 ** 20;

beforeAll(buildIfStale, 180_000);
/** Two files of one batch, an empty one, and one of three batches whose documents go on from one to the next. */
const inputs = ['short.txt', 'empty.txt', 'long.txt', 'zipped.txt.gz'].map((name) => inside(name));
beforeAll(() => {
  const long = letterCorpus.repeat(Math.ceil((2.2 * BATCH_BYTES) / letterCorpus.length));
  for (const [i, content] of [letterCorpus, '', long, gzipSync(letterCorpus)].entries())
    writeFileSync(inputs[i]!, content);
});

const prepare = (output: string, files = inputs): string[] => [
  ...['prepare', '--input', ...files, '--output', inside(output), '--held-out', '0.1', '--workers', '1'],
  ...['--vocab', join(goldenModel, 'vocab.txt'), '--max-seq-length', '32', '--dupe-factor', '2'],
  ...['--max-predictions-per-seq', '5', '--shard-pieces', '40000', '--json'],
];

/** Of every file of an output directory, whatever is left in it. */
function checksums(output: string): Record<string, string> {
  const names = readdirSync(inside(output), { recursive: true, encoding: 'utf8' }).sort();
  const sha256 = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(inside(output, name)))
      .digest('hex');
  return Object.fromEntries(names.filter((name) => name !== 'held-out').map((name) => [name, sha256(name)]));
}

describe.skipIf(!hasMpirun)('prepare on several ranks (skipped without mpirun)', () => {
  beforeAll(async () => {
    const { exitCode, err } = await bertram(prepare('one'));
    if (exitCode !== 0) throw new Error(err);
  }, 60_000);

  it.each([2, 3])(
    'of which there are %i makes the bytes, and prints the counts, of one process',
    async (ranks) => {
      const { exitCode, out, err } = await bertramOn(ranks, prepare(`by-${ranks}`));
      expect([exitCode, err]).toEqual([0, expect.stringContaining('tokenized') as string]);
      const expected = checksums('one');
      expect(Object.keys(expected).filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(9);
      expect(checksums(`by-${ranks}`)).toEqual(expected);
      const { documents, pieces, training } = JSON.parse(out) as Record<string, unknown>;
      const again = await bertram(prepare('one'));
      expect(JSON.parse(again.out)).toMatchObject({ already_complete: true, training });
      expect([documents, pieces]).toEqual([expect.any(Number), expect.any(Number)]);
    },
  );

  it('goes on after a kill, on another number of ranks', async () => {
    const args = ['-n', '2', '--oversubscribe', '--bind-to', 'none', process.execPath, ...program];
    const job = spawn('mpirun', [...args, ...prepare('killed')], {
      env: { ...process.env, ...mpirunEnvironment },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => job.on('close', resolve));
    const records = (): number =>
      existsSync(inside('killed', '.prepare'))
        ? readdirSync(inside('killed', '.prepare')).filter((name) => name.startsWith('training-')).length
        : 0;
    while (records() < 8) await sleep(5);
    process.kill(pidOfRank(1, inside('killed')), 'SIGKILL');
    await ended;
    expect(readdirSync(inside('killed'))).not.toContain('manifest.json');
    const { err } = await bertramOn(3, prepare('killed'));
    expect(err).toContain('going on with the unfinished run');
    expect(checksums('killed')).toEqual(checksums('one'));
  });

  it.each([
    [
      'a line that is no text, in the turn of another rank',
      'bad.txt',
      /bad\.txt: line \d+: expected text in UTF-8/,
    ],
    ['a damaged file', 'bad.txt.gz', /bad\.txt\.gz: expected a whole gzip file/],
    ['too few documents', 'empty.txt', /expected at least two documents/],
  ])('refuses %s once, by the name and line that one process says', async (_, name, message) => {
    const long = readFileSync(inside('long.txt'));
    const at = long.indexOf('\n', 1.5 * BATCH_BYTES) + 1;
    writeFileSync(
      inside('bad.txt'),
      Buffer.concat([long.subarray(0, at), Buffer.of(0xff, 0x0a), long.subarray(at)]),
    );
    writeFileSync(inside('bad.txt.gz'), gzipSync(long, { level: 1 }).subarray(0, 100_000));
    const one = await bertram(prepare('refused-one', [inside(name)]));
    const two = await bertramOn(2, prepare('refused-two', [inside(name)]));
    expect([one.exitCode, two.exitCode]).toEqual([2, 2]);
    expect(one.err).toMatch(message);
    const told = two.err.split('\n').filter((line) => line.startsWith('bertram prepare'));
    expect(told).toEqual([one.err.trimEnd().split('\n').at(-1)!.replace('prepare:', 'prepare: rank 0:')]);
    expect(readdirSync(inside('refused-two'))).toEqual([]);
  });
});
