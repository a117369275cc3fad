/** What a run ran on, and files by their checksums. */
import { createRequire } from 'node:module';
import { availableParallelism, arch, cpus, hostname, release, totalmem, type } from 'node:os';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { fileSha256 } from '../checkpoint/index.ts';
import type { HashedFile, Settings } from './run-record.ts';

/** @param threads of the engine; one a core unless told */
export function environmentOf(threads: number | undefined): Settings {
  const cores = availableParallelism();
  return {
    bertram: versionIn(new URL('../../package.json', import.meta.url)),
    'Node.js': process.version.slice(1),
    engine: `ONNX Runtime ${engineVersion()}`,
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cores} core${cores === 1 ? '' : 's'}`,
    threads: String(threads ?? cores),
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    system: `${type()} ${release()}, ${arch()}`,
    host: hostname(),
  };
}

function engineVersion(): string {
  try {
    return versionIn(createRequire(import.meta.url).resolve(['onnxruntime-node', 'package.json'].join('/')));
  } catch {
    return 'of unknown version';
  }
}

function versionIn(manifest: string | URL): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** @param role what the file is to the run, such as `training data` */
export async function hashedFile(role: string, path: string): Promise<HashedFile> {
  const sha256 = await fileSha256(path);
  return { role, path, bytes: (await stat(path)).size, sha256 };
}

/** A command as it can be typed into a shell. */
export function shellCommand(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`))
    .join(' ');
}
