import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNullOddsFile, readPredictionsFile, readSquadFile } from '../../src/squad/squad-files.ts';
import { fixture, ownSet } from './shared-sets.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bertram-squad-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('readSquadFile', () => {
  const text = fixture('own-set.json');

  it.each([
    ['plain.json', text],
    ['zipped.json.gz', gzipSync(text)],
    ['zipped-by-another-name.json', gzipSync(text)],
    ['marked.json', `\ufeff${text}`],
    ['marked.json.gz', gzipSync(`\ufeff${text}`)],
  ])('reads %s', async (name, bytes) => {
    expect(await readSquadFile(fileOf(name, bytes))).toEqual(ownSet());
  });

  it.each([
    [
      'cut.json.gz',
      gzipSync(text).subarray(0, 900),
      'expected a whole gzip file, got unexpected end of file',
    ],
    ['damaged.json.gz', gzipSync(text).fill(7, 400, 500), 'expected a whole gzip file, got'],
    ['unzipped.json.gz', text, 'expected a gzip file, as its name says, got other bytes'],
    ['latin1.json', Buffer.from('{"data": "caf\xe9"}', 'latin1'), 'expected text in UTF-8, got'],
    ['empty.json', '', 'expected SQuAD JSON or JSON lines, got'],
    ['other.json', '{"rows": []}', 'data: expected an array, got nothing'],
  ])('refuses %s', async (name, bytes, message) => {
    const path = fileOf(name, bytes);
    const read = readSquadFile(path);
    await expect(read).rejects.toMatchObject({ name: 'BertramError', code: 'bad-input' });
    await expect(read).rejects.toThrow(`${path}: ${message}`);
  });

  it.each(['missing.json', '.'])('refuses %s, which is no file', async (name) => {
    const read = readSquadFile(join(folder, name));
    await expect(read).rejects.toMatchObject({ name: 'BertramError', code: 'not-found' });
  });
});

describe('predictions from disk', () => {
  it('are read in the order of the file', async () => {
    const predictions = await readPredictionsFile(fileOf('predictions.json', '{"b": "x", "7": "\\u00e9"}'));
    expect([...predictions]).toEqual([
      ['b', 'x'],
      ['7', 'é'],
    ]);
    const odds = await readNullOddsFile(fileOf('null_odds.json.gz', gzipSync('{"b": 1e-05, "7": -2}')));
    expect([...odds]).toEqual([
      ['b', 1e-5],
      ['7', -2],
    ]);
  });
});
