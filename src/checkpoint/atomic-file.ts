/**
 * Files that appear whole or not at all: written beside their place under a temporary name, flushed to the disk, and
 * renamed over it. Whatever fails or crashes on the way, the old file stays as it was.
 *
 * Reference: the sequence of POSIX rename(2) and fsync(2), the directory included, as SQLite and LevelDB do it.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError } from './file-error.ts';

/** What a file shall hold, or what writes it. */
export type FileContent = string | Uint8Array | ((file: FileHandle) => void | Promise<void>);

/** A complete file under a temporary name, waiting to take its place. */
export interface StagedFile {
  readonly path: string;
  /** Renames it to its place. The directory is not yet flushed: see {@link flushDirectory}. */
  commit(): Promise<void>;
  /** Removes it. Harmless after a commit. */
  discard(): Promise<void>;
}

/**
 * Writes a file whole or not at all. Strings are written as UTF-8.
 *
 * @throws BertramError `path: cannot be written: ...` on any failure of the file system; errors of Bertram's own,
 * thrown by a writing function, pass through. In both cases nothing of the new file is left.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const staged = await stageFile(path, content);
  try {
    await staged.commit();
    await flushDirectory(dirname(path));
  } catch (error) {
    await staged.discard();
    throw fileError(path, 'cannot be written', error);
  }
}

/** The first half of {@link writeFileAtomic}, for several files that shall change together. */
export async function stageFile(path: string, content: FileContent): Promise<StagedFile> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const discard = (): Promise<void> => unlink(temporary).catch(() => undefined);
  try {
    const file = await open(temporary, 'wx', await modeOf(path));
    try {
      if (typeof content === 'function') await content(file);
      else await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await discard();
    throw fileError(path, 'cannot be written', error);
  }
  return { path, commit: () => rename(temporary, path), discard };
}

/** Makes renames within a directory survive a power cut. Windows has no such call, and needs none. */
export async function flushDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The permissions a file has already, so that writing it anew does not change them. */
async function modeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mode & 0o777;
  } catch {
    return 0o666;
  }
}
