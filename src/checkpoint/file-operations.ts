/**
 * What writing a directory of files asks of the file system: few calls, each of which can fail on its own, so that a
 * test can put a failure in the place of any one of them.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { flushDirectory } from './atomic-file.ts';

export interface WritableFile {
  /** @returns how many of the bytes were written, from the first on; at least one */
  write(bytes: Uint8Array): Promise<number>;
  /** Returns when what was written is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileOperations {
  /** With those above it; not an error if it is there. */
  makeDirectory(path: string): Promise<void>;
  /** A new file; an error if there is one. */
  create(path: string): Promise<WritableFile>;
  /** Names in a directory; none if there is no such directory. */
  list(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  /** Makes what was made, renamed and removed within a directory survive a power cut. */
  flushDirectory(path: string): Promise<void>;
  /** A file, or a directory with all in it; not an error if there is none. */
  remove(path: string): Promise<void>;
}

/** The most one write call may be given: Linux stops at 2^31 - 4096 bytes. */
export const MAX_WRITE_BYTES = 1 << 30;

export const nodeFiles: FileOperations = {
  makeDirectory: async (path) => {
    await mkdir(path, { recursive: true });
  },
  create: async (path) => {
    const file = await open(path, 'wx');
    return {
      write: async (bytes) => (await file.write(bytes)).bytesWritten,
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },
  list: (path) => readdir(path).catch(() => []),
  rename,
  flushDirectory,
  remove: (path) => rm(path, { recursive: true, force: true }),
};
