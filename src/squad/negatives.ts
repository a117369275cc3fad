/**
 * Questions without an answer, made from questions with one: each is put to another paragraph of the same article that
 * does not hold its answer. They let a model learn to say "no answer" from data sets that have none, such as SQuAD v1.1.
 *
 * They are easier than those of SQuAD v2.0, which people wrote to have a plausible wrong answer in the paragraph.
 * Source: Clark and Gardner, "Simple and effective multi-paragraph reading comprehension" (ACL 2018), section 3.3.
 */
import { badInput } from '../support/errors.ts';
import type { Random } from '../support/random.ts';
import type { SquadExample } from './squad-dataset.ts';

export interface NegativeOptions {
  /** How many to make, as a share of the answerable examples: 0 to 1. */
  readonly fraction: number;
  /** Where the choices come from. Equal examples and an equal stream give equal negatives. */
  readonly random: Random;
}

/** How many paragraphs of other articles are tried before a question is given up. */
const MAX_OTHER_ARTICLES = 50;

/**
 * Makes unanswerable examples; the given ones are not among them. Where a question's article has no other paragraph
 * free of its answers, one of another article serves; where that fails too, the next question is taken, so that fewer
 * than asked for come back only if the data set has no more.
 *
 * @returns examples with ids `<question id>-negative`, in the order of the questions
 */
export function negativeExamples(
  examples: readonly SquadExample[],
  options: NegativeOptions,
): SquadExample[] {
  const { fraction, random } = options;
  if (!(fraction >= 0 && fraction <= 1))
    badInput('fraction of negatives', 'a number from 0 to 1', String(fraction));
  const answerable = examples.flatMap((example, index) => (example.isImpossible ? [] : [index]));
  const wanted = Math.round(fraction * answerable.length);
  const paragraphs = paragraphsOf(examples);
  const ids = new Set(examples.map((example) => example.id));
  const negativeOf = new Map<number, SquadExample>();
  for (const index of random.shuffle(answerable)) {
    if (negativeOf.size === wanted) break;
    const example = examples[index]!;
    const paragraph = otherParagraph(example, paragraphs, random);
    if (paragraph === undefined) continue;
    const { question } = example;
    const { title, context } = paragraph;
    const id = unusedId(`${example.id}-negative`, ids);
    negativeOf.set(index, { id, title, question, context, answers: [], isImpossible: true });
  }
  return [...negativeOf].sort(([a], [b]) => a - b).map(([, negative]) => negative);
}

interface Paragraph {
  readonly title: string;
  readonly context: string;
  readonly lowerCased: string;
}

interface Paragraphs {
  readonly all: readonly Paragraph[];
  readonly ofTitle: ReadonlyMap<string, readonly Paragraph[]>;
}

/** The distinct contexts in order of appearance, all and by title. */
function paragraphsOf(examples: readonly SquadExample[]): Paragraphs {
  const all = new Map<string, Paragraph>();
  const ofTitle = new Map<string, Paragraph[]>();
  for (const { title, context } of examples) {
    if (all.has(context)) continue;
    const paragraph = { title, context, lowerCased: context.toLowerCase() };
    all.set(context, paragraph);
    const siblings = ofTitle.get(title);
    if (siblings === undefined) ofTitle.set(title, [paragraph]);
    else siblings.push(paragraph);
  }
  return { all: [...all.values()], ofTitle };
}

/** Another paragraph without any of the gold answers; from a random one of the same title onwards, then elsewhere. */
function otherParagraph(
  example: SquadExample,
  { all, ofTitle }: Paragraphs,
  random: Random,
): Paragraph | undefined {
  const answers = example.answers.map(({ text }) => text.trim().toLowerCase());
  const isFree = ({ context, lowerCased }: Paragraph) =>
    context !== example.context && !answers.some((answer) => lowerCased.includes(answer));
  const siblings = ofTitle.get(example.title) ?? [];
  const first = random.nextInteger(Math.max(1, siblings.length));
  for (let step = 0; step < siblings.length; step++) {
    const paragraph = siblings[(first + step) % siblings.length]!;
    if (isFree(paragraph)) return paragraph;
  }
  for (let attempt = 0; attempt < MAX_OTHER_ARTICLES; attempt++) {
    const paragraph = all[random.nextInteger(all.length)]!;
    if (isFree(paragraph)) return paragraph;
  }
  return undefined;
}

/** The id, or the id with the first number that makes it new; recorded as used. */
function unusedId(id: string, used: Set<string>): string {
  let unused = id;
  for (let number = 2; used.has(unused); number++) unused = `${id}-${number}`;
  used.add(unused);
  return unused;
}
