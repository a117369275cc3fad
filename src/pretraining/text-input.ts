/** Input files, plain or gzipped, as batches of whole lines: never more than a batch in memory, whatever their size. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { fileError } from '../checkpoint/file-error.ts';
import { badInput, messageOf } from '../support/errors.ts';

/** Some whole lines of a file. */
export interface TextBatch {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where they begin in the file's text: behind those of the batches before. */
  readonly begin: number;
  /** Whether the file ends here, and with it its last document. */
  readonly endsFile: boolean;
}

/** A file by what it holds and not by where it lies, so that a corpus can move between runs. */
export interface InputFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Batches are as large as this, or one line. */
const BATCH_BYTES = 1 << 20;
/** A longer line is no text. Decoded and tokenized, one takes about thirty times its size. */
const MAX_LINE_BYTES = 1 << 26;
const READ_BYTES = 1 << 18;
const LINE_FEED = 0x0a;

/** @throws BertramError `not-found` for a file that is absent, `bad-input` for something else than a file */
export async function identify(path: string): Promise<InputFile> {
  try {
    if (!(await stat(path)).isFile()) badInput(path, 'a text file', 'something else');
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    return { name: basename(path), bytes, sha256: hash.digest('hex') };
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
}

/**
 * The lines of all files in turn. Gzip is told by a file's first two bytes, whatever it is called. A byte order mark is
 * passed over. Whoever reads the same files gets the same batches.
 *
 * @throws BertramError `bad-input` for a damaged gzip file or a line of more than 64 MiB
 */
export async function* textBatches(paths: readonly string[]): AsyncGenerator<TextBatch, void, undefined> {
  for (const path of paths) yield* fileBatches(path);
}

async function* fileBatches(path: string): AsyncGenerator<TextBatch, void, undefined> {
  let pending: Uint8Array[] = [];
  let size = 0;
  /** Bytes of the chunks before. */
  let read = 0;
  /** Where the line begins that has not ended yet. */
  let lineStart = 0;
  let isFirst = true;
  let begin = 0;
  const take = (text: Uint8Array, endsFile: boolean): TextBatch => {
    const skipped = isFirst && hasByteOrderMark(text) ? 3 : 0;
    isFirst = false;
    // A copy of its own, which can be handed over to another thread.
    const bytes = Uint8Array.from(text.subarray(skipped));
    const batch = { path, bytes, begin, endsFile };
    begin += bytes.length;
    return batch;
  };
  for await (const chunk of blocks(decompressed(path))) {
    pending.push(chunk);
    size += chunk.length;
    const firstEnd = chunk.indexOf(LINE_FEED);
    const lineBytes = read + (firstEnd < 0 ? chunk.length : firstEnd) - lineStart;
    if (lineBytes > MAX_LINE_BYTES)
      badInput(path, `lines of at most ${MAX_LINE_BYTES} bytes`, `a longer one, from byte ${lineStart} on`);
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) lineStart = read + end;
    read += chunk.length;
    if (size < BATCH_BYTES || end === 0) continue;
    const joined = Buffer.concat(pending);
    const rest = chunk.length - end;
    yield take(joined.subarray(0, joined.length - rest), false);
    pending = rest === 0 ? [] : [joined.subarray(joined.length - rest)];
    size = rest;
  }
  yield take(Buffer.concat(pending), true);
}

/** The same bytes in blocks of one size, however the system and zlib deal them out: batches must not depend on that. */
async function* blocks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let block = Buffer.allocUnsafe(READ_BYTES);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length;) {
      const count = chunk.copy(block, filled, taken);
      taken += count;
      filled += count;
      if (filled < READ_BYTES) continue;
      yield block;
      block = Buffer.allocUnsafe(READ_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

async function* decompressed(path: string): AsyncGenerator<Buffer, void, undefined> {
  // First, since a stream that nobody listens to yet would throw its error into the void.
  const gzipped = await isGzip(path);
  const file = createReadStream(path, { highWaterMark: READ_BYTES });
  if (!gzipped) {
    try {
      yield* file as AsyncIterable<Buffer>;
    } catch (error) {
      throw fileError(path, 'cannot be read', error);
    }
    return;
  }
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  // Errors of either stream come out of the second one, which is read.
  pipeline(file, gunzip, () => undefined);
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw fileError(path, 'cannot be read', error);
    badInput(path, 'a whole gzip file', messageOf(error));
  }
}

async function isGzip(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, 0);
      return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
