/** The file system with a failure in the place of one call, or of one byte of a write. */
import { nodeFiles, type FileOperations } from '../../src/checkpoint/index.ts';

/** One call, as it is asked for: its name, the path without the directory that is under test, and the bytes of a write. */
export interface FileCall {
  readonly name: keyof FileOperations | 'write' | 'sync' | 'close';
  readonly path: string;
  readonly bytes: number;
}

export interface Fault {
  /** Which call fails, counted from 0. */
  readonly call: number;
  /** Of a write: how many bytes reach the file before. */
  readonly after?: number;
  /** The system's error; without one the process ends there, and does nothing more. */
  readonly code?: 'ENOSPC' | 'EIO' | 'EACCES' | 'EROFS';
}

/** Thrown by every call of a process that has ended. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

/** @param calls what is asked for is added to it */
export function failingFiles(root: string, fault?: Fault, calls: FileCall[] = []): FileOperations {
  let hasEnded = false;
  const isDue = (name: FileCall['name'], path: string, bytes = 0): boolean => {
    if (hasEnded) throw new Crash('the process has ended');
    calls.push({ name, path: path.slice(root.length + 1), bytes });
    return fault?.call === calls.length - 1;
  };
  const fail = (): never => {
    if (fault?.code !== undefined) throw systemError(fault.code);
    hasEnded = true;
    throw new Crash('the process ends');
  };
  const step = async <T>(name: FileCall['name'], path: string, work: () => Promise<T>): Promise<T> =>
    isDue(name, path) ? fail() : work();
  return {
    makeDirectory: (path) => step('makeDirectory', path, () => nodeFiles.makeDirectory(path)),
    list: async (path) => {
      // Reading changes nothing; a process that has ended reads no more.
      if (hasEnded) throw new Crash('the process has ended');
      return nodeFiles.list(path);
    },
    rename: (from, to) => step('rename', to, () => nodeFiles.rename(from, to)),
    flushDirectory: (path) => step('flushDirectory', path, () => nodeFiles.flushDirectory(path)),
    remove: (path) => step('remove', path, () => nodeFiles.remove(path)),
    create: (path) =>
      step('create', path, async () => {
        const file = await nodeFiles.create(path);
        return {
          write: async (bytes) => {
            if (!isDue('write', path, bytes.length)) return file.write(bytes);
            const after = fault?.after ?? 0;
            for (let done = 0; done < after;) done += await file.write(bytes.subarray(done, after));
            return fail();
          },
          sync: () => step('sync', path, () => file.sync()),
          close: async () => {
            // The system closes the files of a process that has ended.
            await file.close();
            if (!hasEnded && isDue('close', path)) fail();
          },
        };
      }),
  };
}

function systemError(code: NonNullable<Fault['code']>): Error {
  const errno = { ENOSPC: -28, EIO: -5, EACCES: -13, EROFS: -30 }[code];
  return Object.assign(new Error(code), { code, errno });
}

/** A fault in every call, and in every write before its first byte and after it, in its middle and before its last. */
export function everyFault(calls: readonly FileCall[]): Omit<Fault, 'code'>[] {
  return calls.flatMap(({ name, bytes }, call) => {
    if (name !== 'write') return [{ call }];
    const places = new Set([0, 1, Math.floor(bytes / 2), bytes - 1]);
    return Array.from(places, (after) => ({ call, after }));
  });
}
