/** Texts with labels, and the classes that they make. */
import { badInput, shown } from '../support/errors.ts';
import { Random } from '../support/random.ts';
import type { TextOrPair } from '../tokenizers/index.ts';

export interface LabelledText {
  readonly text: TextOrPair;
  readonly label: string;
}

/** The labels that occur, sorted: the classes, by their ids. */
export function labelsOf(examples: readonly LabelledText[]): string[] {
  return [...new Set(examples.map(({ label }) => label))].sort((a, b) => (a < b ? -1 : 1));
}

/**
 * The ids of the examples' labels.
 *
 * @throws BertramError `bad-input` for a label that is not among them
 */
export function labelIds(
  examples: readonly LabelledText[],
  labels: readonly string[],
  where: string,
): Int32Array {
  const ids = new Map(labels.map((label, id) => [label, id]));
  return Int32Array.from(examples, ({ label }) => {
    const id = ids.get(label);
    return id ?? badInput(where, `labels that were trained (${labels.join(', ')})`, shown(label));
  });
}

export interface SplitTexts {
  readonly training: readonly LabelledText[];
  readonly validation: readonly LabelledText[];
}

/** Takes a part of the examples, drawn by the seed, away for validation. Both parts keep the order of the data. */
export function splitTexts(examples: readonly LabelledText[], fraction: number, seed: number): SplitTexts {
  const order = new Random(seed, 'validation split').shuffle(examples.map((_, index) => index));
  const chosen = new Set(order.slice(0, Math.round(examples.length * fraction)));
  return {
    training: examples.filter((_, index) => !chosen.has(index)),
    validation: examples.filter((_, index) => chosen.has(index)),
  };
}
