/**
 * Next-sentence prediction: cuts a document into pairs of segments A and B, where B is what follows A or, half of the
 * time, comes from another document.
 *
 * The procedure is that of `create_instances_from_document` in google-research/bert `create_pretraining_data.py`, step
 * for step. Everything is a stretch of pieces in a document; no piece is copied before its place is known.
 */
import type { Random } from '../support/random.ts';

/** What chance decides with. */
export type Draws = Pick<Random, 'nextFloat' | 'nextInteger'>;

/** Stretches of pieces in documents. */
export interface SentenceSource {
  sentenceCount(document: number): number;
  /**
   * Where sentences `begin` to `end` - 1 end, counted in pieces from the start of their document. Valid until the next
   * call.
   */
  sentenceEnds(document: number, begin: number, end: number): ArrayLike<number>;
}

/** Pieces `begin` to `end` - 1 of a document. */
export interface Span {
  readonly document: number;
  readonly begin: number;
  readonly end: number;
}

export interface SegmentPair {
  readonly first: Span;
  readonly second: Span;
  /** Whether B was drawn from elsewhere. */
  readonly isRandomNext: boolean;
  /** Pieces cut off so that the pair fits. */
  readonly truncated: number;
}

export interface PairOptions {
  readonly maxSeqLength: number;
  /** How many documents are cut to a random length rather than the longest. */
  readonly shortSeqProb: number;
}

/** [CLS], [SEP] and [SEP]. */
export const SPECIAL_PIECES = 3;
/** A random second segment needs another document to come from. */
export const LEAST_DOCUMENTS = 2;
/** Draws of another document before the same one is taken. */
const ANOTHER_DOCUMENT_DRAWS = 10;

/**
 * The pairs of one document.
 *
 *     sentences 0 1 2 3 4 5 6, target reached after 0 1 2: chunk [0 1 2], A = [0], B = [1 2]        next chunk from 3
 *     or, with B drawn elsewhere:                          chunk [0 1 2], A = [0], B = [another]    next chunk from 1
 *
 * @param candidates the documents that a random B comes from
 */
export function* segmentPairs(
  document: number,
  source: SentenceSource,
  candidates: ArrayLike<number>,
  { maxSeqLength, shortSeqProb }: PairOptions,
  random: Draws,
): Generator<SegmentPair, void, undefined> {
  const room = maxSeqLength - SPECIAL_PIECES;
  const isShort = random.nextFloat() < shortSeqProb;
  const target = isShort ? 2 + random.nextInteger(room - 1) : room;
  const count = source.sentenceCount(document);
  const ends = Uint32Array.from(source.sentenceEnds(document, 0, count));
  const startOf = (sentence: number): number => (sentence === 0 ? 0 : ends[sentence - 1]!);
  let begin = 0;
  for (let i = 0; i < count; i++) {
    if (i < count - 1 && ends[i]! - startOf(begin) < target) continue;
    const sentences = i + 1 - begin;
    const split = begin + (sentences > 1 ? 1 + random.nextInteger(sentences - 1) : 1);
    const first = { document, begin: startOf(begin), end: startOf(split) };
    const isRandomNext = sentences === 1 || random.nextFloat() < 0.5;
    let second: Span = { document, begin: first.end, end: ends[i]! };
    if (isRandomNext) {
      second = randomSegment(document, source, candidates, target - (first.end - first.begin), random);
      i = split - 1; // what B would have been is put back
    }
    yield { ...truncatePair(first, second, room, random), isRandomNext };
    begin = i + 1;
  }
}

/** From a random sentence of another document on, at least one sentence and as many as reach `target` pieces. */
function randomSegment(
  document: number,
  source: SentenceSource,
  candidates: ArrayLike<number>,
  target: number,
  random: Draws,
): Span {
  let other = document;
  for (let draw = 0; draw < ANOTHER_DOCUMENT_DRAWS && other === document; draw++)
    other = candidates[random.nextInteger(candidates.length)]!;
  const count = source.sentenceCount(other);
  const start = random.nextInteger(count);
  // A sentence has at least one piece, so no more than `target` of them are needed.
  const stop = Math.min(count, start + Math.max(1, target));
  const before = Math.max(0, start - 1);
  const ends = source.sentenceEnds(other, before, stop);
  const begin = start === 0 ? 0 : ends[0]!;
  let i = start - before;
  while (i < stop - before - 1 && ends[i]! - begin < target) i++;
  return { document: other, begin, end: ends[i]! };
}

/** Takes pieces off the longer segment (B if they are alike), each from its front or its back by chance. */
export function truncatePair(
  first: Span,
  second: Span,
  room: number,
  random: Draws,
): Omit<SegmentPair, 'isRandomNext'> {
  const a = { document: first.document, begin: first.begin, end: first.end };
  const b = { document: second.document, begin: second.begin, end: second.end };
  const excess = a.end - a.begin + b.end - b.begin - room;
  for (let left = excess; left > 0; left--) {
    const longer = a.end - a.begin > b.end - b.begin ? a : b;
    if (random.nextFloat() < 0.5) longer.begin++;
    else longer.end--;
  }
  return { first: a, second: b, truncated: Math.max(0, excess) };
}
