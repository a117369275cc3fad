/**
 * Text to pieces, sentence by sentence: the part of `prepare` that many threads do at once.
 *
 * Lines hold paragraphs, or sentences; a blank line ends a document (the input format of google-research/bert).
 */
import type { BertTokenizer } from '../tokenizers/index.ts';
import type { PieceArray } from './example.ts';
import { SentenceSplitter } from './sentences.ts';

/** The pieces of some lines of text. */
export interface TokenizedText {
  /** All sentences, one behind the other: [pieces]. */
  readonly pieces: PieceArray;
  /** Pieces of each sentence, none of them empty: [sentences]. */
  readonly sentenceLengths: Uint32Array;
  /** Where documents end: the number of sentences before each blank line, [blank lines]. */
  readonly documentEnds: Uint32Array;
  readonly lines: number;
}

/** A line that cannot be read, numbered from 0 within its text: the reader knows how many lines came before. */
export class BadLine extends Error {
  override readonly name = 'BadLine';
  readonly line: number;
  readonly expected: string;
  readonly got: string;

  constructor(line: number, expected: string, got: string) {
    super(`line ${line + 1}: expected ${expected}, got ${got}`);
    this.line = line;
    this.expected = expected;
    this.got = got;
  }
}

/** The largest vocabulary whose ids fit into 16 bits. */
const LARGEST_SHORT_VOCABULARY = 2 ** 16;

/** An array for ids of a vocabulary, in as few bytes as they need. */
export function pieceArray(length: number, vocabularySize: number): PieceArray {
  return vocabularySize <= LARGEST_SHORT_VOCABULARY ? new Uint16Array(length) : new Int32Array(length);
}

export class TextTokenizer {
  readonly #tokenizer: BertTokenizer;
  readonly #splitter: SentenceSplitter | undefined;

  /** @param sentencePerLine whether lines are sentences already, not to be split */
  constructor(tokenizer: BertTokenizer, sentencePerLine: boolean) {
    this.#tokenizer = tokenizer;
    this.#splitter = sentencePerLine ? undefined : new SentenceSplitter();
  }

  /**
   * @param bytes whole lines of UTF-8, the last one with or without its end
   * @throws BadLine for a line that is not UTF-8, or binary
   */
  tokenize(bytes: Uint8Array): TokenizedText {
    const paragraphs: Int32Array[] = [];
    const sentenceLengths: number[] = [];
    const documentEnds: number[] = [];
    const lines = linesOf(bytes);
    let length = 0;
    for (const line of lines) {
      if (line.trim() === '') {
        documentEnds.push(sentenceLengths.length);
        continue;
      }
      const { ids, starts } = this.#tokenizer.encode(line);
      paragraphs.push(ids);
      length += ids.length;
      // A sentence has the pieces that begin in it: no word goes on over its end.
      let piece = 0;
      for (const end of this.#splitter?.ends(line) ?? [line.length]) {
        const first = piece;
        while (piece < starts.length && starts[piece]! < end) piece++;
        if (piece > first) sentenceLengths.push(piece - first);
      }
    }
    const pieces = pieceArray(length, this.#tokenizer.vocabulary.size);
    let at = 0;
    for (const ids of paragraphs) {
      pieces.set(ids, at);
      at += ids.length;
    }
    return {
      pieces,
      sentenceLengths: Uint32Array.from(sentenceLengths),
      documentEnds: Uint32Array.from(documentEnds),
      lines: lines.length,
    };
  }
}

/** Lines end at LF or CR LF. What follows the last end is a line only if it is not empty. */
function linesOf(bytes: Uint8Array): string[] {
  const lines = decode(bytes).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** @throws BadLine */
function decode(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw new BadLine(lineAt(bytes, nul), 'text', 'binary data (a NUL byte)');
  try {
    return decoder.decode(bytes);
  } catch {
    let line = 0;
    for (let begin = 0; begin < bytes.length; line++) {
      const end = bytes.indexOf(LINE_FEED, begin);
      const stop = end < 0 ? bytes.length : end;
      try {
        decoder.decode(bytes.subarray(begin, stop));
      } catch {
        break;
      }
      begin = stop + 1;
    }
    throw new BadLine(line, 'text in UTF-8', 'other bytes');
  }
}

const LINE_FEED = 0x0a;

function lineAt(bytes: Uint8Array, position: number): number {
  let line = 0;
  for (
    let end = bytes.indexOf(LINE_FEED);
    end >= 0 && end < position;
    end = bytes.indexOf(LINE_FEED, end + 1)
  )
    line++;
  return line;
}
