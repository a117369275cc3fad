/**
 * `manifest.json` of a directory that a run may go on from: the size and SHA-256 of every file, written after all of
 * them, so that a directory with a manifest is one that was completed, and one that agrees with it has not changed since.
 *
 *     { "format": 1, "step": 100, "files": { "model.safetensors": { "size": 433268, "sha256": "9f86d0…" }, … } }
 *
 * Files that the manifest does not name are nobody's business here: a user may add some.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { badInput, BertramError, shown } from '../support/errors.ts';
import { formatJson } from '../support/json-text.ts';
import { fileSha256 } from './file-checksum.ts';
import { fileError } from './file-error.ts';
import { JsonScanner } from './json-scanner.ts';
import { readTextFileIfPresent } from './text-file.ts';

export const MANIFEST_FILE = 'manifest.json';
const FORMAT = 1;

export interface FileRecord {
  /** In bytes. */
  readonly size: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

export interface DirectoryManifest {
  /** Updates that had been made. */
  readonly step: number;
  /** By file name, the manifest itself left out. */
  readonly files: ReadonlyMap<string, FileRecord>;
}

export function formatManifest({ step, files }: DirectoryManifest): string {
  return formatJson({ format: FORMAT, step, files: Object.fromEntries(files) });
}

/**
 * @throws BertramError `not-found` when there is no manifest, which is so in a directory that was never completed;
 * `bad-input` when it is malformed
 */
export async function readManifest(directory: string): Promise<DirectoryManifest> {
  const path = join(directory, MANIFEST_FILE);
  const text = await readTextFileIfPresent(path);
  if (text === undefined) throw new BertramError('not-found', `${path}: expected a manifest, got none`);
  const scanner = new JsonScanner(text, path);
  const files = new Map<string, FileRecord>();
  const numbers = new Map<string, number>();
  scanner.object((key) => {
    if (key === 'files')
      scanner.object((name) => void files.set(checkedName(name, path), readRecord(scanner, path)));
    else if (key === 'format' || key === 'step') numbers.set(key, scanner.count());
    else badInput(path, 'format, step and files', shown(key));
  });
  scanner.end();
  const format = numbers.get('format');
  if (format !== FORMAT) badInput(`${path}: format`, String(FORMAT), String(format ?? 'none'));
  const step = numbers.get('step') ?? badInput(path, 'a step', 'none');
  if (files.size === 0) badInput(path, 'files', 'none');
  return { step, files };
}

/**
 * Reads every file of a directory and compares it with the manifest: first all sizes, then all checksums.
 *
 * @throws BertramError naming the first file that is not what it was, with what was expected and what was found
 */
export async function verifyDirectory(directory: string): Promise<DirectoryManifest> {
  const manifest = await readManifest(directory);
  for (const [name, { size }] of manifest.files) {
    const path = join(directory, name);
    const got = await sizeOf(path);
    if (got !== size) badInput(path, `${size} bytes, as when it was written`, String(got));
  }
  for (const [name, { sha256 }] of manifest.files) {
    const path = join(directory, name);
    const got = await fileSha256(path);
    if (got !== sha256) badInput(path, `SHA-256 ${sha256}, as when it was written`, got);
  }
  return manifest;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
}

function readRecord(scanner: JsonScanner, path: string): FileRecord {
  let size: number | undefined;
  let sha256: string | undefined;
  scanner.object((key) => {
    if (key === 'size') size = scanner.count();
    else if (key === 'sha256') sha256 = scanner.string();
    else badInput(path, 'size and sha256', shown(key));
  });
  if (size === undefined) badInput(path, 'the size of each file', 'none');
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256))
    badInput(path, 'a SHA-256 of each file in 64 hexadecimal digits', shown(sha256));
  return { size, sha256 };
}

/** A name within the directory: a manifest that was tampered with must not have files elsewhere read. */
function checkedName(name: string, path: string): string {
  if (!/^[\w-][\w.-]*$/.test(name)) badInput(path, 'names of files in its directory', shown(name));
  return name;
}
