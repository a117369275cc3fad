import { describe, expect, test } from 'vitest';
import { BertTokenizer, Vocabulary } from '../../src/tokenizers/index.ts';
import { digestOf, modes, readGolden, smallTokenizer } from './golden.ts';

interface CodePointGolden {
  readonly codePointsPerText: number;
  readonly textsPerBlock: number;
  readonly modes: Record<string, string[]>;
}

describe('every code point alone, in a word, after and before accents, as tokenizers has it', () => {
  const { codePointsPerText, textsPerBlock, modes: expected } = readGolden('code-points') as CodePointGolden;
  const codePointsPerBlock = codePointsPerText * textsPerBlock;

  /** Every code point of planes 0 and 1 as a piece and as a continuing piece, so that no mapping hides in [UNK]. */
  function everythingVocabulary(): Vocabulary {
    const pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
    for (let codePoint = 0x21; codePoint < 0x20000; codePoint++) {
      if (codePoint >= 0xd800 && codePoint < 0xe000) continue;
      const character = String.fromCodePoint(codePoint);
      pieces.push(character, `##${character}`);
    }
    return new Vocabulary(new Map(pieces.map((piece, id) => [piece, id])));
  }

  function* texts(block: number): Generator<string> {
    for (let text = 0; text < textsPerBlock; text++) {
      const first = block * codePointsPerBlock + text * codePointsPerText;
      const parts = Array.from({ length: codePointsPerText }, (_, i) => {
        const c = String.fromCodePoint(first + i);
        return first < 0x20000 ? `${c} a${c}b ${c}\u0301 a\u0345${c}\u0327x` : `${c} a${c}b`;
      });
      yield parts.join(' ');
    }
  }

  const vocabulary = everythingVocabulary();
  test.each(Object.keys(expected))('%s', { timeout: 300_000 }, (mode) => {
    const tokenizer = new BertTokenizer(vocabulary, modes[mode]);
    expected[mode]!.forEach((digest, block) => {
      const first = (block * codePointsPerBlock).toString(16);
      expect(digestOf(tokenizer, texts(block)), `${codePointsPerBlock} code points from U+${first}`).toBe(
        digest,
      );
    });
  });
});

interface RandomGolden {
  readonly seed: number;
  readonly blocks: number;
  readonly textsPerBlock: number;
  readonly fragments: string[];
  readonly ranges: [first: number, end: number][];
  readonly glue: string[];
  readonly modes: Record<string, string[]>;
}

describe('random strings of awkward parts, as tokenizers has them', () => {
  const golden = readGolden('random-strings') as RandomGolden;

  /** The generator of Park and Miller, as in the script that made the golden. */
  function* draws(): Generator<number, never> {
    for (let state = golden.seed; ;) yield (state = (state * 48271) % 0x7fffffff);
  }

  function randomText(random: Generator<number, never>): string {
    const below = (bound: number) => random.next().value % bound;
    const pick = <T>(items: readonly T[]) => items[below(items.length)]!;
    let text = '';
    for (let left = 1 + below(10); left > 0; left--) {
      if (below(2) === 1) {
        text += pick(golden.fragments);
      } else {
        const [first, end] = pick(golden.ranges);
        text += String.fromCodePoint(first + below(end - first));
      }
      text += pick(golden.glue);
    }
    return text;
  }

  test.each(Object.keys(golden.modes))('%s', (mode) => {
    const tokenizer = smallTokenizer(mode);
    const random = draws();
    const digests = Array.from({ length: golden.blocks }, () =>
      digestOf(
        tokenizer,
        Array.from({ length: golden.textsPerBlock }, () => randomText(random)),
      ),
    );
    expect(digests).toEqual(golden.modes[mode]);
  });
});
