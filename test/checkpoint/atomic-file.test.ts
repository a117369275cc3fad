/** Files that appear whole or not at all. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../src/checkpoint/atomic-file.ts';
import { BertramError } from '../../src/support/errors.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const isWindows = process.platform === 'win32';

describe('writes', () => {
  it.each([
    ['text', 'naïve 🤗'],
    ['bytes', new TextEncoder().encode('naïve 🤗')],
    ['what a function writes', (file: FileHandle) => file.appendFile('naïve 🤗')],
  ])('%s', async (_, content) => {
    const directory = temporaryDirectory();
    await writeFileAtomic(join(directory, 'file'), content);
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('naïve 🤗');
    expect(readdirSync(directory)).toEqual(['file']);
  });

  it('over an older file, of which readers keep what they opened', async () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, 'old');
    const inode = statSync(path).ino;
    await writeFileAtomic(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    if (!isWindows) expect(statSync(path).ino).not.toBe(inode);
  });

  it.skipIf(isWindows)('with the permissions of the older file', async () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, 'old');
    chmodSync(path, 0o640);
    await writeFileAtomic(path, 'new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it.skipIf(isWindows)('in the place of a link, not through it', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'blob'), 'shared with others');
    symlinkSync('blob', join(directory, 'file'));
    await writeFileAtomic(join(directory, 'file'), 'new');
    expect(readFileSync(join(directory, 'blob'), 'utf8')).toBe('shared with others');
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('new');
  });

  it('files of one name from many at once, one of them whole', async () => {
    const directory = temporaryDirectory();
    const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(contents.map((content) => writeFileAtomic(join(directory, 'file'), content)));
    expect(contents).toContain(readFileSync(join(directory, 'file'), 'utf8'));
    expect(readdirSync(directory)).toEqual(['file']);
  });
});

describe('fails with one line and leaves everything as it was', () => {
  it.skipIf(!existsSync('/dev/full'))('on a full disk (needs /dev/full)', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'file');
    writeFileSync(path, 'old');
    const writing = writeFileAtomic(path, async (file) => {
      await file.write('half of the new');
      await writeFile('/dev/full', 'the other half');
    });
    await expect(writing).rejects.toMatchObject({
      name: 'BertramError',
      code: 'failed',
      message: `${path}: cannot be written: no space left on device (ENOSPC)`,
    });
    expect(readdirSync(directory)).toEqual(['file']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('on an error of Bertram’s own, which passes through', async () => {
    const directory = temporaryDirectory();
    const error = new BertramError('bad-input', 'tensor "a": expected this, got that');
    await expect(writeFileAtomic(join(directory, 'file'), () => Promise.reject(error))).rejects.toBe(error);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('without the directory', async () => {
    const path = join(temporaryDirectory(), 'no', 'file');
    await expect(writeFileAtomic(path, 'new')).rejects.toMatchObject({
      code: 'not-found',
      message: `${path}: cannot be written: no such file or directory (ENOENT)`,
    });
  });

  it('under a file', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), 'old');
    await expect(writeFileAtomic(join(directory, 'file', 'below'), 'new')).rejects.toMatchObject({
      name: 'BertramError',
    });
  });

  it('where a directory is', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'file'));
    await expect(writeFileAtomic(join(directory, 'file'), 'new')).rejects.toMatchObject({
      name: 'BertramError',
    });
    expect(readdirSync(directory)).toEqual(['file']);
  });

  it.skipIf(isWindows || process.getuid?.() === 0)(
    'without permission (skipped for root, who has them all)',
    async () => {
      const directory = temporaryDirectory();
      chmodSync(directory, 0o555);
      const path = join(directory, 'file');
      await expect(writeFileAtomic(path, 'new')).rejects.toMatchObject({
        code: 'bad-input',
        message: `${path}: cannot be written: permission denied (EACCES)`,
      });
      chmodSync(directory, 0o755);
    },
  );
});
