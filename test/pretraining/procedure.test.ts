/**
 * Pairs and masks equal those of google-research/bert's own script, on draws that both sides repeat
 * (`scripts/golden/pretraining.py`).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Masker } from '../../src/pretraining/masking.ts';
import { segmentPairs, type Draws } from '../../src/pretraining/pairs.ts';
import { sentenceSource } from './sentence-source.ts';

interface Golden {
  readonly vocabulary: readonly string[];
  readonly pairs: readonly {
    readonly seed: number;
    readonly max_seq_length: number;
    readonly short_seq_prob: number;
    readonly documents: readonly (readonly (readonly number[])[])[];
    readonly instances: readonly (readonly {
      readonly input_ids: readonly number[];
      readonly second_segment: number;
      readonly is_random_next: boolean;
    }[])[];
  }[];
  readonly masking: readonly {
    readonly seed: number;
    readonly whole_word_mask: boolean;
    readonly masked_lm_prob: number;
    readonly max_predictions_per_seq: number;
    readonly input_ids: readonly number[];
    readonly second_segment: number;
    readonly positions: readonly number[];
    readonly labels: readonly number[];
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../golden/pretraining/procedure.json', import.meta.url), 'utf8'),
) as Golden;
const CLS = golden.vocabulary.indexOf('[CLS]');
const SEP = golden.vocabulary.indexOf('[SEP]');

/** The generator of the golden script. */
function scriptedDraws(seed: number): Draws {
  let state = seed;
  const nextFloat = (): number => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return { nextFloat, nextInteger: (bound) => Math.floor(nextFloat() * bound) };
}

describe('segment pairs', () => {
  it.each(golden.pairs)('of documents, seed $seed, length $max_seq_length', (golden) => {
    const { seed, documents, instances } = golden;
    const draws = scriptedDraws(seed);
    const candidates = documents.map((_, index) => index);
    const options = { maxSeqLength: golden.max_seq_length, shortSeqProb: golden.short_seq_prob };
    const source = sentenceSource(documents.map((document) => document.map(({ length }) => length)));
    const pieces = documents.map((document) => document.flat());
    const ours = candidates.map((document) =>
      Array.from(
        segmentPairs(document, source, candidates, options, draws),
        ({ first, second, isRandomNext }) => {
          const a = pieces[first.document]!.slice(first.begin, first.end);
          const b = pieces[second.document]!.slice(second.begin, second.end);
          return {
            input_ids: [CLS, ...a, SEP, ...b, SEP],
            second_segment: a.length + 2,
            is_random_next: isRandomNext,
          };
        },
      ),
    );
    expect(ours).toEqual(instances);
    expect(instances.flat().length).toBeGreaterThan(10);
  });
});

describe('masked places', () => {
  const continuations = Uint8Array.from(golden.vocabulary, (token) => (token.startsWith('##') ? 1 : 0));

  it.each(golden.masking)(
    'seed $seed, whole words $whole_word_mask, $masked_lm_prob up to $max_predictions_per_seq',
    (golden) => {
      const options = {
        vocabularySize: continuations.length,
        maskId: 4,
        maskedLmProb: golden.masked_lm_prob,
        maxPredictionsPerSeq: golden.max_predictions_per_seq,
        ...(golden.whole_word_mask ? { continuations } : {}),
      };
      const masker = new Masker(options, 128);
      // Which places comes from one generator, and what stands in them from another, as in the script.
      const places = scriptedDraws(golden.seed);
      const replacements = scriptedDraws(golden.seed);
      let hasChosen = false;
      const draws: Draws = {
        nextFloat: () => {
          hasChosen = true;
          return replacements.nextFloat();
        },
        nextInteger: (bound) => (hasChosen ? replacements : places).nextInteger(bound),
      };
      const ids = Int32Array.from(golden.input_ids);
      const count = masker.mask(ids, golden.second_segment, draws);
      expect([...masker.positions.subarray(0, count)]).toEqual(golden.positions);
      expect([...masker.labels.subarray(0, count)]).toEqual(golden.labels);
    },
  );
});
