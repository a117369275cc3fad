/**
 * Directories of files that appear whole or not at all: written under another name on the same file system, every file
 * flushed to the disk, a manifest of sizes and checksums last, and then renamed to their place. See decision 12.
 *
 * Checksums are computed of what is written while it is written, and nothing is read again.
 */
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { formatManifest, MANIFEST_FILE, type FileRecord } from './directory-manifest.ts';
import { MAX_WRITE_BYTES, type FileOperations, type WritableFile } from './file-operations.ts';

/** A file by name, and what it shall hold: a text as UTF-8, or bytes as they come. */
export interface FileToWrite {
  readonly name: string;
  readonly content: string | AsyncIterable<Uint8Array>;
}

/** How directories are called that are not, or no more, in their place; nobody takes them for what they will be. */
const prefixed = (prefix: string) => (target: string) =>
  join(dirname(target), `${prefix}${basename(target)}`);
const partialName = prefixed('.partial-');
const replacedName = prefixed('.replaced-');
const obsoleteName = prefixed('.obsolete-');

/**
 * Writes a directory. One that has its name is set aside until the new one is in its place: at every moment one of the
 * two is there and whole, and {@link recoverDirectories} puts back the old one where a crash came between.
 *
 * @throws whatever the file system throws; what was there before is then still there
 */
export async function writeDirectory(
  target: string,
  step: number,
  contents: Iterable<FileToWrite>,
  files: FileOperations,
): Promise<void> {
  const partial = partialName(target);
  try {
    await files.remove(partial);
    await files.makeDirectory(partial);
    const records = new Map<string, FileRecord>();
    for (const { name, content } of contents)
      records.set(name, await writeFile(join(partial, name), content, files));
    await writeFile(join(partial, MANIFEST_FILE), formatManifest({ step, files: records }), files);
    await files.flushDirectory(partial);
    await moveToPlace(partial, target, files);
  } catch (error) {
    // Its space may be what is lacking. What cannot be removed now will be at the next start.
    await files.remove(partial).catch(() => undefined);
    throw error;
  }
}

async function moveToPlace(partial: string, target: string, files: FileOperations): Promise<void> {
  const parent = dirname(target);
  const isReplacing = (await files.list(parent)).includes(basename(target));
  const replaced = replacedName(target);
  if (isReplacing) await files.rename(target, replaced);
  try {
    await files.rename(partial, target);
  } catch (error) {
    if (isReplacing) await files.rename(replaced, target).catch(() => undefined);
    throw error;
  }
  await files.flushDirectory(parent);
  if (isReplacing) await files.remove(replaced);
}

/** Removes a directory such that no part of it is ever seen under its name. */
export async function removeDirectory(target: string, files: FileOperations): Promise<void> {
  const obsolete = obsoleteName(target);
  await files.remove(obsolete);
  await files.rename(target, obsolete);
  await files.remove(obsolete);
}

/**
 * Tidies up after a process that was killed: removes what it had not finished writing or removing, and puts back what it
 * had set aside.
 *
 * @param isWhole whether a directory that is in its place is as it was written
 */
export async function recoverDirectories(
  parent: string,
  isWhole: (directory: string) => Promise<boolean>,
  files: FileOperations,
): Promise<void> {
  for (const name of await files.list(parent)) {
    const [, prefix, original] = /^(\.partial-|\.obsolete-|\.replaced-)(checkpoint-\d+)$/.exec(name) ?? [];
    if (original === undefined) continue;
    const [directory, target] = [join(parent, name), join(parent, original)];
    if (prefix === '.replaced-' && !(await isWhole(target))) {
      await files.remove(target);
      await files.rename(directory, target);
      await files.flushDirectory(parent);
    } else await files.remove(directory);
  }
}

/** @returns what the manifest says of the file */
async function writeFile(
  path: string,
  content: FileToWrite['content'],
  files: FileOperations,
): Promise<FileRecord> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await files.create(path);
  try {
    const chunks = typeof content === 'string' ? [new TextEncoder().encode(content)] : content;
    for await (const chunk of chunks) {
      // The two at once: the disk writes while the processor computes.
      const writing = writeAll(file, chunk);
      hash.update(chunk);
      await writing;
      size += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { size, sha256: hash.digest('hex') };
}

async function writeAll(file: WritableFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += await file.write(bytes.subarray(done, done + MAX_WRITE_BYTES));
}
