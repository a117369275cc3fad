import { describe, expect, it } from 'vitest';
import { negativeExamples, type SquadExample } from '../../src/squad/index.ts';
import { Random } from '../../src/support/random.ts';
import { hasSharedData, ownSet, sharedSet } from './shared-sets.ts';

const { examples } = ownSet();
const make = (fraction: number, seed = 1, from: readonly SquadExample[] = examples) =>
  negativeExamples(from, { fraction, random: new Random(seed, 'negatives') });

function expectSound(negatives: readonly SquadExample[], from: readonly SquadExample[]): void {
  const byId = new Map(from.map((example) => [example.id, example]));
  for (const negative of negatives) {
    const original = byId.get(negative.id.replace('-negative', ''))!;
    expect(negative).toMatchObject({ question: original.question, answers: [], isImpossible: true });
    expect(negative.context).not.toBe(original.context);
    for (const { text } of original.answers) {
      expect(negative.context.toLowerCase()).not.toContain(text.toLowerCase());
    }
  }
}

describe('negativeExamples', () => {
  it('puts questions to other paragraphs, of the same article if it has one', () => {
    const negatives = make(1);
    expect(negatives).toHaveLength(22);
    expectSound(negatives, examples);
    const titleOf = new Map(examples.map((example) => [`${example.id}-negative`, example.title]));
    expect(negatives.filter(({ id, title }) => titleOf.get(id) === title).length).toBeGreaterThan(15);
  });

  it('makes the share asked for, of the answerable questions, in their order', () => {
    const negatives = make(0.5);
    expect(negatives).toHaveLength(11);
    const places = negatives.map(({ id }) =>
      examples.findIndex((example) => `${example.id}-negative` === id),
    );
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(make(0)).toEqual([]);
  });

  it('depends on the seed and on nothing else', () => {
    expect(make(0.5)).toEqual(make(0.5));
    expect(make(0.5, 2)).not.toEqual(make(0.5));
  });

  it('makes fewer where no paragraph will do', () => {
    const [first] = examples;
    expect(make(1, 1, [first!])).toEqual([]);
    expect(make(1, 1, [])).toEqual([]);
    const everywhere = { ...first!, answers: [{ text: 'the', start: 0 }] };
    expect(make(1, 1, [everywhere, ...examples.filter(({ isImpossible }) => isImpossible)])).toEqual([]);
  });

  it('takes ids that are free', () => {
    const taken = { ...examples[5]!, id: 'own-01-negative', answers: [], isImpossible: true };
    const ids = make(1, 1, [...examples, taken]).map(({ id }) => id);
    expect(ids).toContain('own-01-negative-2');
    expect(new Set([...ids, ...examples.map(({ id }) => id), taken.id]).size).toBe(22 + 25 + 1);
  });

  it.each([-0.1, 1.1, NaN])('refuses the fraction %d', (fraction) => {
    expect(() => make(fraction)).toThrow(
      `fraction of negatives: expected a number from 0 to 1, got ${fraction}`,
    );
  });

  it.skipIf(!hasSharedData)(
    'finds one for every question of new-wiki-valid (skipped without ../shared/data)',
    async () => {
      const { examples: many } = await sharedSet('new-wiki-valid');
      const negatives = make(1, 3, many);
      expect(negatives).toHaveLength(many.length);
      expectSound(negatives, many);
    },
  );
});
