/**
 * What chance decides, over 100,000 examples or more, against what the published procedure makes of it. Bounds are 4.5
 * standard deviations: random streams are fixed by their seeds, so that nothing fails by chance, and a probability that
 * is off by a hundredth fails.
 */
import { describe, expect, it } from 'vitest';
import { Masker, roundHalfToEven } from '../../src/pretraining/masking.ts';
import { segmentPairs, truncatePair } from '../../src/pretraining/pairs.ts';
import { Random } from '../../src/support/random.ts';
import { sentenceSource } from './sentence-source.ts';

const EXAMPLES = 100_000;
const DEVIATIONS = 4.5;

/** Asserts that `hits` of `trials` is what a probability gives. */
function expectFrequency(hits: number, trials: number, probability: number): void {
  const deviation = Math.sqrt((probability * (1 - probability)) / trials);
  expect(Math.abs(hits / trials - probability)).toBeLessThan(DEVIATIONS * deviation);
}

/** Asserts that counts are those of a uniform draw: their chi-square statistic has mean k - 1 and variance 2 (k - 1). */
function expectUniform(counts: readonly number[]): void {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const expected = total / counts.length;
  expect(expected).toBeGreaterThan(20);
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const freedom = counts.length - 1;
  expect(Math.abs(statistic - freedom)).toBeLessThan(DEVIATIONS * Math.sqrt(2 * freedom));
}

describe('masking', () => {
  const VOCABULARY = 211;
  const MASK = 4;
  /** Every other third of the vocabulary continues a word. */
  const continuations = Uint8Array.from({ length: VOCABULARY }, (_, id) => (id >= 140 ? 1 : 0));
  const options = {
    vocabularySize: VOCABULARY,
    maskId: MASK,
    maskedLmProb: 0.15,
    maxPredictionsPerSeq: 20,
  };

  /** `[CLS] A [SEP] B [SEP]` of any length up to 128; A begins a word. */
  function sequence(random: Random): { ids: Uint16Array; secondSegment: number } {
    const length = 5 + random.nextInteger(124);
    const secondSegment = 3 + random.nextInteger(length - 4);
    const ids = Uint16Array.from({ length }, () => 5 + random.nextInteger(VOCABULARY - 5));
    ids[1] = 5;
    for (const special of [0, secondSegment - 1, length - 1]) ids[special] = 3;
    return { ids, secondSegment };
  }

  it('replaces as many single pieces as it should, by [MASK], themselves and anything', () => {
    const random = new Random(1, 'pieces');
    const masker = new Masker(options, 128);
    let [pieces, predictions, quotas] = [0, 0, 0];
    let [masks, kept, others] = [0, 0, 0];
    const randomIds = new Array<number>(VOCABULARY).fill(0);
    for (let example = 0; example < EXAMPLES; example++) {
      const { ids, secondSegment } = sequence(random);
      const original = ids.slice();
      const count = masker.mask(ids, secondSegment, random);
      const quota = Math.min(20, Math.max(1, roundHalfToEven(0.15 * ids.length)));
      if (count !== Math.min(quota, ids.length - 3)) expect.fail(`${count} of ${ids.length} pieces masked`);
      pieces += ids.length;
      quotas += quota;
      predictions += count;
      let changed = 0;
      for (let i = 0; i < count; i++) {
        const position = masker.positions[i]!;
        if ([0, secondSegment - 1, ids.length - 1].includes(position))
          expect.fail('a special piece was masked');
        if (i > 0 && position <= masker.positions[i - 1]!) expect.fail('positions do not ascend');
        if (masker.labels[i] !== original[position]) expect.fail('a label is not what stood there');
        if (ids[position] === MASK) masks++;
        else if (ids[position] === original[position]) kept++;
        else others++;
        if (ids[position] !== original[position]) changed++;
        if (ids[position] !== MASK && ids[position] !== original[position]) randomIds[ids[position]!]!++;
      }
      const differing = ids.reduce((sum, id, i) => sum + (id === original[i] ? 0 : 1), 0);
      if (differing !== changed) expect.fail('a piece changed that is not to be predicted');
    }
    expect(predictions).toBe(quotas);
    expect(predictions / pieces).toBeCloseTo(0.15, 2);
    // A draw of the whole vocabulary may be [MASK], or the piece itself.
    expectFrequency(masks, predictions, 0.8 + 0.1 / VOCABULARY);
    expectFrequency(kept, predictions, 0.1 + 0.1 / VOCABULARY);
    expectFrequency(others, predictions, 0.1 - 0.2 / VOCABULARY);
    // [MASK] itself is not told from those that were put there; what is drawn where it stood already hardly matters.
    expectUniform(randomIds.filter((_, id) => id < 3));
    expectUniform(randomIds.filter((_, id) => id > 5));
    expectFrequency(randomIds[0]!, others, 1 / (VOCABULARY - 2 + 1 / VOCABULARY));
  }, 60_000);

  it('masks whole words or none of a word, and fills the quota as far as words fit', () => {
    const random = new Random(2, 'words');
    const masker = new Masker({ ...options, continuations }, 128);
    let [predictions, quotas, continuing, continuingPieces, pieces] = [0, 0, 0, 0, 0];
    let kinds = 0;
    for (let example = 0; example < EXAMPLES; example++) {
      const { ids, secondSegment } = sequence(random);
      const original = ids.slice();
      const count = masker.mask(ids, secondSegment, random);
      const quota = masker.quota(ids.length);
      if (count > quota) expect.fail(`${count} masked, more than ${quota}`);
      quotas += quota;
      predictions += count;
      const isMasked = new Uint8Array(ids.length);
      for (let i = 0; i < count; i++) isMasked[masker.positions[i]!] = 1;
      let spans = 0;
      for (let i = 1; i < ids.length - 1; i++) {
        if (i === secondSegment - 1) continue;
        pieces++;
        const before = i === secondSegment ? i - 2 : i - 1;
        if (continuations[original[i]!] === 0) continue;
        continuingPieces++;
        continuing += isMasked[i]!;
        if (isMasked[i] !== isMasked[before]) expect.fail('a word is masked in part');
        if (isMasked[i] === 1 && (ids[i] === MASK) !== (ids[before] === MASK)) spans++;
      }
      if (spans > 0) kinds++;
    }
    expect(predictions / quotas).toBeGreaterThan(0.97);
    // Pieces that continue a word are masked somewhat less: long words are passed over when the quota is nearly full.
    const ratio = continuing / continuingPieces / (predictions / pieces);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1);
    // What replaces a piece is drawn for each: words that are [MASK] in part only are common.
    expect(kinds).toBeGreaterThan(EXAMPLES / 5);
  }, 60_000);

  it('draws all places alike', () => {
    const random = new Random(3, 'places');
    const masker = new Masker(options, 128);
    const counts = new Array<number>(41).fill(0);
    for (let example = 0; example < EXAMPLES; example++) {
      const ids = new Uint16Array(41).fill(9);
      const count = masker.mask(ids, 17, random);
      for (let i = 0; i < count; i++) counts[masker.positions[i]!]!++;
    }
    // Six of 38 places without replacement: chi-square is smaller than for independent draws, by 1 - 6 / 38.
    const free = counts.filter((_, place) => ![0, 16, 40].includes(place));
    const expected = (EXAMPLES * 6) / 38;
    const statistic = free.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) / (1 - 6 / 38);
    expect(Math.abs(statistic - 37)).toBeLessThan(DEVIATIONS * Math.sqrt(2 * 37));
    expect([counts[0], counts[16], counts[40]]).toEqual([0, 0, 0]);
  }, 60_000);

  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [4.5, 4],
    [4.499, 4],
    [5.51, 6],
  ])('rounds %f to %i, as Python does', (value, rounded) => {
    expect(roundHalfToEven(value)).toBe(rounded);
  });
});

describe('next sentences', () => {
  /** The part of random pairs that documents of `n` sentences give, all shorter than the target together. */
  function expectedRandom(n: number): { pairs: number; random: number } {
    const of = [{ pairs: 0, random: 0 }];
    for (let size = 1; size <= n; size++) {
      if (size === 1) of.push({ pairs: 1, random: 1 });
      else {
        // Half of the time B is random, A has 1 to size - 1 sentences alike, and the others are put back.
        const rest = of.slice(1, size);
        const mean = (key: 'pairs' | 'random') => rest.reduce((sum, r) => sum + r[key], 0) / (size - 1);
        of.push({ pairs: 1 + 0.5 * mean('pairs'), random: 0.5 + 0.5 * mean('random') });
      }
    }
    return of[n]!;
  }

  it.each([1, 2, 3, 6])('are random as often as documents of %i sentences make them', (sentences) => {
    const documents = 500;
    const source = sentenceSource(
      Array.from({ length: documents }, () => new Array<number>(sentences).fill(5)),
    );
    const candidates = Uint32Array.from({ length: documents }, (_, i) => i);
    const random = new Random(4, `random-${sentences}`);
    let [pairs, randomNext] = [0, 0];
    for (let i = 0; pairs < EXAMPLES; i++) {
      const options = { maxSeqLength: 128, shortSeqProb: 0 };
      for (const pair of segmentPairs(i % documents, source, candidates, options, random)) {
        pairs++;
        if (pair.isRandomNext) randomNext++;
        const isElsewhere = pair.second.document !== pair.first.document;
        if (pair.isRandomNext !== isElsewhere) expect.fail('the label is not where B comes from');
      }
    }
    const expected = expectedRandom(sentences);
    if (sentences === 1) expect(randomNext).toBe(pairs);
    else expectFrequency(randomNext, pairs, expected.random / expected.pairs);
  });

  it('are random half of the time where documents are long, from all documents and places alike', () => {
    const documents = 50;
    const sentences = 4000;
    const source = sentenceSource(
      Array.from({ length: documents }, () => new Array<number>(sentences).fill(7)),
    );
    const candidates = Uint32Array.from({ length: documents }, (_, i) => i);
    const random = new Random(5, 'long');
    const [fromDocument, fromTenth] = [new Array<number>(documents).fill(0), new Array<number>(10).fill(0)];
    let [pairs, randomNext] = [0, 0];
    for (let i = 0; pairs < EXAMPLES; i++) {
      const document = i % documents;
      const options = { maxSeqLength: 128, shortSeqProb: 0 };
      for (const { second, isRandomNext } of segmentPairs(document, source, candidates, options, random)) {
        pairs++;
        if (!isRandomNext) continue;
        randomNext++;
        fromDocument[second.document]!++;
        fromTenth[Math.floor((10 * second.begin) / (7 * sentences))]!++;
      }
    }
    expectFrequency(randomNext, pairs, 0.5);
    expectUniform(fromDocument);
    expectUniform(fromTenth);
  });

  it('are of short documents one time in ten, at any length from 2 on', () => {
    const room = 61;
    const sentences = 90;
    const source = sentenceSource([
      new Array<number>(sentences).fill(1),
      new Array<number>(sentences).fill(1),
    ]);
    const random = new Random(6, 'short');
    const targets = new Array<number>(room + 1).fill(0);
    let documents = 0;
    while (documents < EXAMPLES) {
      const options = { maxSeqLength: room + 3, shortSeqProb: 0.1 };
      const [pair] = segmentPairs(0, source, [0, 1], options, random);
      if (pair!.isRandomNext) continue; // what B is drawn from may end before the target
      documents++;
      targets[pair!.second.end - pair!.first.begin]!++;
    }
    const short = targets.slice(2, room);
    expect(targets[0]! + targets[1]!).toBe(0);
    expectUniform(short);
    const isShorter = short.reduce((sum, count) => sum + count, 0);
    expectFrequency(isShorter, documents, 0.1 * (1 - 1 / (room - 1)));
  });

  it('lose pieces of the longer segment, from the front and the back alike', () => {
    const random = new Random(7, 'truncate');
    let [front, back] = [0, 0];
    for (let example = 0; example < EXAMPLES; example++) {
      const lengths = [1 + random.nextInteger(90), 1 + random.nextInteger(90)] as const;
      const a = { document: 0, begin: 100, end: 100 + lengths[0] };
      const b = { document: 1, begin: 500, end: 500 + lengths[1] };
      const { first, second, truncated } = truncatePair(a, b, 61, random);
      const [left, right] = [first.end - first.begin, second.end - second.begin];
      if (left + right !== Math.min(61, lengths[0] + lengths[1]))
        expect.fail('the pair is not cut to its room');
      if (truncated !== lengths[0] + lengths[1] - left - right) expect.fail('the count is wrong');
      // Neither is cut below half unless it was shorter before.
      if (left < Math.min(lengths[0], 30) || right < Math.min(lengths[1], 30))
        expect.fail('the shorter was cut');
      front += first.begin - 100 + (second.begin - 500);
      back += a.end - first.end + (b.end - second.end);
    }
    expectFrequency(front, front + back, 0.5);
  });
});
