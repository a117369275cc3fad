/** Sentences of paragraphs, as a reader would split them; `|` marks the boundaries. */
import { describe, expect, it } from 'vitest';
import { SentenceSplitter } from '../../src/pretraining/sentences.ts';

const splitter = new SentenceSplitter();

function split(paragraph: string): string[] {
  let begin = 0;
  return splitter.ends(paragraph).map((end) => {
    const sentence = paragraph.slice(begin, end);
    begin = end;
    return sentence;
  });
}

describe('sentences', () => {
  it.each([
    ['plain', 'He came. |She left! |Did they? |Yes.'],
    ['title', 'He met Dr. Smith. |Mrs. Jones and Prof. Lee came.'],
    ['initials', 'J. R. R. Tolkien wrote it. |So did C. S. Lewis.'],
    ['letters with stops within a sentence', 'The U.S. Army came. |It has, e.g. Two parts.'],
    ['letters with stops at the end', 'He left the U.S. |The rest stayed. |At 5 p.m. |They slept.'],
    ['company', 'Acme Inc. Sells it. |He joined Acme Inc. |In May he left.'],
    ['number', 'See fig. 3. |It was No. 5. |It cost $3.50. |About 2.5 million came.'],
    ['quotation', '"Is it so?" he asked. |He said "Stop." |Then he left.'],
    ['brackets', '(He left.) |They stayed (cf. Smith 1990). |Good.'],
    ['ellipsis', 'Well... he did. |He left.'],
    ['months', 'Born on Jan. 5. |Died on Dec. 6.'],
    ['Saint', 'He was born in St. Louis. |It is large.'],
    ['other scripts', '彼は来た。|彼女は去った。|Он ушёл. |Она осталась.'],
    ['no end', 'A title'],
    ['white space alone', '   '],
  ])('%s', (_, marked) => {
    const sentences = marked.split('|');
    expect(split(sentences.join(''))).toEqual(sentences);
  });

  it('together are the paragraph, whatever is in it', () => {
    for (const text of ['', '. . .', 'a.\u2028b', '😀. 😀! 😀', 'x'.repeat(5000), 'U.S.', 'Dr. ']) {
      expect(split(text).join('')).toBe(text);
    }
  });
});
