/**
 * Pairs and masks equal those of google-research/bert's own script, on draws that both sides repeat; and whole runs,
 * each with its own random numbers, come to the same counts (`scripts/golden/pretraining.py`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPretrainingExamples, prepare } from '../../src/pretraining/index.ts';
import { Masker } from '../../src/pretraining/masking.ts';
import { segmentPairs, type Draws } from '../../src/pretraining/pairs.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';
import { sentenceSource } from './sentence-source.ts';

interface Golden {
  readonly vocabulary: readonly string[];
  readonly instances: readonly {
    readonly seed: number;
    readonly max_seq_length: number;
    readonly short_seq_prob: number;
    readonly whole_word_mask: boolean;
    readonly masked_lm_prob: number;
    readonly max_predictions_per_seq: number;
    readonly documents: readonly (readonly (readonly number[])[])[];
    readonly instances: readonly (readonly Instance[])[];
  }[];
  readonly replacements: readonly {
    readonly seed: number;
    readonly whole_word_mask: boolean;
    readonly floats: readonly number[];
    readonly part: number;
    readonly input_ids: readonly number[];
    readonly second_segment: number;
    readonly output_ids: readonly number[];
    readonly positions: readonly number[];
    readonly labels: readonly number[];
  }[];
  readonly text: string;
  readonly runs: readonly {
    readonly max_seq_length: number;
    readonly max_predictions_per_seq: number;
    readonly dupe_factor: number;
    readonly short_seq_prob: number;
    readonly whole_word_mask: boolean;
    readonly seeds: number;
    /** Mean and deviation over runs. */
    readonly counts: Readonly<Record<string, readonly [number, number]>>;
  }[];
}

interface Instance {
  /** Before it was masked. */
  readonly input_ids: readonly number[];
  readonly second_segment: number;
  readonly is_random_next: boolean;
  readonly positions: readonly number[];
  /** How many pieces became [MASK]. */
  readonly masks: number;
}

const golden = JSON.parse(
  readFileSync(new URL('../golden/pretraining/procedure.json', import.meta.url), 'utf8'),
) as Golden;
const CLS = golden.vocabulary.indexOf('[CLS]');
const SEP = golden.vocabulary.indexOf('[SEP]');
const MASK = golden.vocabulary.indexOf('[MASK]');
const CONTINUATIONS = Uint8Array.from(golden.vocabulary, (token) => (token.startsWith('##') ? 1 : 0));

/** The generator of the golden script. */
class ScriptedDraws implements Draws {
  state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  nextFloat(): number {
    this.state = (Math.imul(1664525, this.state) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }

  nextInteger(bound: number): number {
    return Math.floor(this.nextFloat() * bound);
  }
}

/** Which places comes from a stream of its own, as the script's shuffles do, until the first replacement is drawn. */
function maskingDraws(replacements: Draws, seed: number): Draws {
  const places = new ScriptedDraws(seed);
  let hasChosen = false;
  return {
    nextFloat: () => {
      hasChosen = true;
      return replacements.nextFloat();
    },
    nextInteger: (bound) => (hasChosen ? replacements : places).nextInteger(bound),
  };
}

interface MaskingCase {
  readonly whole_word_mask: boolean;
  readonly masked_lm_prob: number;
  readonly max_predictions_per_seq: number;
}

function maskerOf(recipe: MaskingCase): Masker {
  const options = {
    vocabularySize: golden.vocabulary.length,
    maskId: MASK,
    maskedLmProb: recipe.masked_lm_prob,
    maxPredictionsPerSeq: recipe.max_predictions_per_seq,
    ...(recipe.whole_word_mask ? { continuations: CONTINUATIONS } : {}),
  };
  return new Masker(options, 128);
}

describe('examples', () => {
  it.each(golden.instances)(
    'of documents, seed $seed, length $max_seq_length, whole words $whole_word_mask',
    (golden) => {
      const { documents } = golden;
      const draws = new ScriptedDraws(golden.seed);
      const masker = maskerOf(golden);
      const options = { maxSeqLength: golden.max_seq_length, shortSeqProb: golden.short_seq_prob };
      const candidates = documents.map((_, index) => index);
      const source = sentenceSource(documents.map((document) => document.map(({ length }) => length)));
      const pieces = documents.map((document) => document.flat());
      const ours = candidates.map((document) =>
        Array.from(segmentPairs(document, source, candidates, options, draws), (pair): Instance => {
          const { first, second, isRandomNext } = pair;
          const a = pieces[first.document]!.slice(first.begin, first.end);
          const b = pieces[second.document]!.slice(second.begin, second.end);
          const original = [CLS, ...a, SEP, ...b, SEP];
          const masked = Int32Array.from(original);
          // The next pair goes on with the draws that masking left.
          const count = masker.mask(masked, a.length + 2, maskingDraws(draws, draws.state));
          const positions = [...masker.positions.subarray(0, count)];
          expect([...masker.labels.subarray(0, count)]).toEqual(positions.map((place) => original[place]));
          return {
            input_ids: original,
            second_segment: a.length + 2,
            is_random_next: isRandomNext,
            positions,
            masks: masked.filter((id) => id === MASK).length,
          };
        }),
      );
      expect(ours).toEqual(golden.instances);
    },
  );

  it('are several hundred, of every kind', () => {
    const all = golden.instances.flatMap(({ instances }) => instances.flat());
    expect(all.length).toBeGreaterThan(400);
    expect(all.filter((instance) => instance.is_random_next).length).toBeGreaterThan(100);
    expect(all.filter((instance) => !instance.is_random_next).length).toBeGreaterThan(100);
  });
});

describe('replacements', () => {
  it.each(golden.replacements)(
    'by draws of $floats and the part $part of a range, whole words $whole_word_mask',
    (golden) => {
      const masker = maskerOf({ ...golden, masked_lm_prob: 0.4, max_predictions_per_seq: 64 });
      let next = 0;
      const chosen: Draws = {
        nextFloat: () => golden.floats[next++ % golden.floats.length]!,
        nextInteger: (bound) => Math.floor(golden.part * bound),
      };
      const ids = Int32Array.from(golden.input_ids);
      const count = masker.mask(ids, golden.second_segment, maskingDraws(chosen, golden.seed));
      expect([...ids]).toEqual(golden.output_ids);
      expect([...masker.positions.subarray(0, count)]).toEqual(golden.positions);
      expect([...masker.labels.subarray(0, count)]).toEqual(golden.labels);
    },
  );
});

describe('a whole run', () => {
  const SEEDS = 25;
  /** Of the difference of two means. Seeds are fixed: nothing fails by chance. */
  const DEVIATIONS = 4;

  it.each(golden.runs)(
    'with dupe factor $dupe_factor, short $short_seq_prob, whole words $whole_word_mask',
    async (golden) => {
      const runs: Record<string, number>[] = [];
      for (let seed = 0; seed < SEEDS; seed++) runs.push(await countsOfRun(golden, seed));
      for (const [name, [mean, deviation]] of Object.entries(golden.counts)) {
        const ours = runs.map((run) => run[name]!);
        const ourMean = meanOf(ours);
        const ourVariance = ours.reduce((sum, x) => sum + (x - ourMean) ** 2, 0) / (SEEDS - 1);
        const error = Math.sqrt(deviation ** 2 / golden.seeds + ourVariance / SEEDS);
        expect(Math.abs(ourMean - mean) / error, `${name}: ${ourMean}, not ${mean}`).toBeLessThan(DEVIATIONS);
        // The draws spread as widely: too even a run would be no better than too uneven a one.
        const spread = Math.sqrt(ourVariance) / deviation;
        expect(spread, `deviation of ${name}`).toBeGreaterThan(0.6);
        expect(spread, `deviation of ${name}`).toBeLessThan(1.6);
      }
    },
    60_000,
  );
});

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `counts_of` of the golden script. */
async function countsOfRun(recipe: Golden['runs'][number], seed: number): Promise<Record<string, number>> {
  const directory = temporaryDirectory();
  const [input, vocab] = [join(directory, 'corpus.txt'), join(directory, 'vocab.txt')];
  writeFileSync(input, golden.text);
  writeFileSync(vocab, `${golden.vocabulary.join('\n')}\n`);
  const outputDir = join(directory, 'shards');
  await prepare({
    inputs: [input],
    outputDir,
    vocab,
    lowercase: false,
    sentencePerLine: true,
    wholeWordMask: recipe.whole_word_mask,
    maxSeqLength: recipe.max_seq_length,
    maxPredictionsPerSeq: recipe.max_predictions_per_seq,
    maskedLmProb: 0.15,
    shortSeqProb: recipe.short_seq_prob,
    dupeFactor: recipe.dupe_factor,
    heldOut: 0,
    seed,
    workers: 1,
  });
  const shards = await openPretrainingExamples(outputDir);
  const examples = Array.from({ length: shards.size }, (_, i) => shards.read(i));
  const labels = examples.flatMap(({ maskedLmIds }) => [...maskedLmIds]);
  const standing = examples.flatMap(({ inputIds, maskedLmPositions }) =>
    Array.from(maskedLmPositions, (position) => inputIds[position]!),
  );
  const part = <T>(items: readonly T[], holds: (item: T, i: number) => boolean): number =>
    items.filter(holds).length / items.length;
  const pieces = examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  shards.close();
  return {
    examples: examples.length,
    pieces: pieces / examples.length,
    first_segment: meanOf(examples.map(({ secondSegment }) => secondSegment)),
    random_next: part(examples, ({ nextSentenceLabel }) => nextSentenceLabel === 1),
    short: part(examples, ({ inputIds }) => inputIds.length < recipe.max_seq_length / 2),
    predictions: labels.length / pieces,
    continuations: part(labels, (label) => CONTINUATIONS[label] === 1),
    masks: part(standing, (id) => id === MASK),
    kept: part(standing, (id, i) => id === labels[i]),
  };
}
