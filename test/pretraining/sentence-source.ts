/** Documents for the tests of pairs, given by the lengths of their sentences. */
import type { SentenceSource } from '../../src/pretraining/pairs.ts';

export function sentenceSource(sentenceLengths: readonly (readonly number[])[]): SentenceSource {
  const ends = sentenceLengths.map((lengths) => {
    let end = 0;
    return lengths.map((length) => (end += length));
  });
  return {
    sentenceCount: (document) => ends[document]!.length,
    sentenceEnds: (document, begin, end) => ends[document]!.slice(begin, end),
  };
}
