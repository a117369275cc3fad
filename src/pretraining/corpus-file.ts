/**
 * A tokenized corpus on disk, from which any sentence can be read by position: what lies between the two passes of
 * `prepare`. In memory are only the places of the documents, 16 bytes for each.
 *
 * Three files: `pieces`, the ids of all documents one behind the other; `sentences`, the end of each sentence in pieces
 * from the start of its document (Uint32); `documents`, the first piece and the first sentence of each document, and the
 * ends of the last (Float64). Numbers are in the machine's own byte order: the files do not outlive the run.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../checkpoint/file-error.ts';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { BertramError } from '../support/errors.ts';
import type { PieceArray } from './example.ts';
import type { SentenceSource, Span } from './pairs.ts';
import { pieceArray } from './tokenized-text.ts';
import type { TokenizedText } from './tokenized-text.ts';

const PIECES = 'pieces';
const SENTENCES = 'sentences';
const DOCUMENTS = 'documents';
/** Pieces of the longest document that is kept in memory. */
const LARGEST_LOADED = 1 << 20;
const SENTENCE_BYTES = Uint32Array.BYTES_PER_ELEMENT;

export interface CorpusCounts {
  readonly documents: number;
  /** Between two blank lines, or of lines without a single piece. They are left out. */
  readonly emptyDocuments: number;
  readonly sentences: number;
  readonly pieces: number;
}

/** Writes the files as text comes in, document after document. */
export class CorpusWriter {
  readonly #directory: string;
  readonly #pieces: FileHandle;
  readonly #sentences: FileHandle;
  /** First piece and first sentence of each document that is complete. */
  readonly #documents: number[] = [];
  #documentPieces = 0;
  #documentSentences = 0;
  #pieceCount = 0;
  #sentenceCount = 0;
  #emptyDocuments = 0;

  private constructor(directory: string, pieces: FileHandle, sentences: FileHandle) {
    this.#directory = directory;
    this.#pieces = pieces;
    this.#sentences = sentences;
  }

  static async create(directory: string): Promise<CorpusWriter> {
    try {
      const pieces = await open(join(directory, PIECES), 'w');
      return new CorpusWriter(directory, pieces, await open(join(directory, SENTENCES), 'w'));
    } catch (error) {
      throw fileError(directory, 'cannot be written', error);
    }
  }

  /** Appends sentences, which go on the document that is open. */
  async append({ pieces, sentenceLengths, documentEnds }: TokenizedText): Promise<void> {
    const ends = new Uint32Array(sentenceLengths.length);
    let sentence = 0;
    for (let i = 0; i <= documentEnds.length; i++) {
      for (const stop = documentEnds[i] ?? ends.length; sentence < stop; sentence++) {
        this.#documentPieces += sentenceLengths[sentence]!;
        this.#documentSentences++;
        ends[sentence] = this.#documentPieces;
      }
      if (i < documentEnds.length) this.#endDocument();
    }
    await this.#write(this.#pieces, pieces);
    await this.#write(this.#sentences, ends);
  }

  /** Ends the document that is open, if it has any piece. */
  endFile(): void {
    if (this.#documentSentences > 0) this.#endDocument();
  }

  /** Writes the table of documents, which makes the corpus complete. */
  async finish(): Promise<CorpusCounts> {
    const places = Float64Array.from([...this.#documents, this.#pieceCount, this.#sentenceCount]);
    await writeFileAtomic(join(this.#directory, DOCUMENTS), new Uint8Array(places.buffer));
    return {
      documents: this.#documents.length / 2,
      emptyDocuments: this.#emptyDocuments,
      sentences: this.#sentenceCount,
      pieces: this.#pieceCount,
    };
  }

  async close(): Promise<void> {
    await this.#pieces.close();
    await this.#sentences.close();
  }

  #endDocument(): void {
    if (this.#documentSentences === 0) {
      this.#emptyDocuments++;
      return;
    }
    this.#documents.push(this.#pieceCount, this.#sentenceCount);
    this.#pieceCount += this.#documentPieces;
    this.#sentenceCount += this.#documentSentences;
    this.#documentPieces = 0;
    this.#documentSentences = 0;
  }

  async #write(file: FileHandle, data: PieceArray | Uint32Array): Promise<void> {
    try {
      await file.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    } catch (error) {
      throw fileError(this.#directory, 'cannot be written', error);
    }
  }
}

/** Reads the files. Synchronous, since a read is of a few hundred bytes that the system most likely has in its cache. */
export class Corpus implements SentenceSource {
  readonly documentCount: number;
  readonly #directory: string;
  readonly #places: Float64Array;
  readonly #pieces: number;
  readonly #sentences: number;
  readonly #bytesPerPiece: number;
  #ends = new Uint32Array(1024);
  /** The document that is in memory, and its pieces. */
  #loaded = -1;
  #loadedPieces: PieceArray;

  private constructor(directory: string, places: Float64Array, vocabularySize: number) {
    this.#directory = directory;
    this.#places = places;
    this.documentCount = places.length / 2 - 1;
    this.#loadedPieces = pieceArray(LARGEST_LOADED, vocabularySize);
    this.#bytesPerPiece = this.#loadedPieces.BYTES_PER_ELEMENT;
    this.#pieces = openSync(join(directory, PIECES), 'r');
    this.#sentences = openSync(join(directory, SENTENCES), 'r');
  }

  static async open(directory: string, vocabularySize: number): Promise<Corpus> {
    try {
      const { buffer, byteOffset, byteLength } = await readFile(join(directory, DOCUMENTS));
      const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
      return new Corpus(directory, new Float64Array(bytes.buffer), vocabularySize);
    } catch (error) {
      throw fileError(directory, 'cannot be read', error);
    }
  }

  pieceCount(document: number): number {
    return this.#places[2 * document + 2]! - this.#places[2 * document]!;
  }

  sentenceCount(document: number): number {
    return this.#places[2 * document + 3]! - this.#places[2 * document + 1]!;
  }

  sentenceEnds(document: number, begin: number, end: number): Uint32Array {
    const count = end - begin;
    if (count > this.#ends.length) this.#ends = new Uint32Array(2 * count);
    const ends = this.#ends.subarray(0, count);
    this.#read(this.#sentences, ends, (this.#places[2 * document + 1]! + begin) * SENTENCE_BYTES);
    return ends;
  }

  /** Keeps a document in memory, unless it is very long: most of what is read next is from it. */
  load(document: number): void {
    const count = this.pieceCount(document);
    if (count > LARGEST_LOADED) return;
    this.#read(
      this.#pieces,
      this.#loadedPieces.subarray(0, count),
      this.#places[2 * document]! * this.#bytesPerPiece,
    );
    this.#loaded = document;
  }

  /** Fills `into` with pieces of a document. */
  readPieces({ document, begin, end }: Span, into: PieceArray): void {
    if (document === this.#loaded) into.set(this.#loadedPieces.subarray(begin, end));
    else this.#read(this.#pieces, into, (this.#places[2 * document]! + begin) * this.#bytesPerPiece);
  }

  close(): void {
    closeSync(this.#pieces);
    closeSync(this.#sentences);
  }

  #read(file: number, into: PieceArray | Uint32Array, position: number): void {
    for (let done = 0; done < into.byteLength;) {
      const bytesRead = readSync(
        file,
        into,
        done,
        Math.min(into.byteLength - done, MAX_READ_BYTES),
        position + done,
      );
      if (bytesRead === 0)
        throw new BertramError('failed', `${this.#directory}: the tokenized corpus was cut short`);
      done += bytesRead;
    }
  }
}

/** The most one read call may ask for: Linux stops at 2^31 - 4096 bytes. */
const MAX_READ_BYTES = 1 << 30;
