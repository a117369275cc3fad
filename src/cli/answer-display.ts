/** Answers as a person reads them on a terminal: a bar for the score, and the answer lit up in its sentence. */
import { styleText } from 'node:util';
import type { Answer } from '../pipelines/index.ts';

const BAR_WIDTH = 10;
/** Columns before the text of an answer. */
const MARGIN = 2;

/**
 * ```
 *   ████████░░  78.1%  the Rhine
 *   … Its capital lies on the Rhine, and has done so since 1821. …
 * ```
 */
export function drawAnswers(
  answers: readonly Answer[],
  contexts: readonly string[],
  columns: number,
): string {
  const isColoured = (process.env['NO_COLOR'] ?? '') === '';
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    isColoured ? styleText(style, text) : text;
  const blocks = answers.map(({ answer, score, start, end, context }) => {
    const filled = Math.round(score * BAR_WIDTH);
    const bar = paint('green', '█'.repeat(filled)) + paint('dim', '░'.repeat(BAR_WIDTH - filled));
    const percent = `${(100 * score).toFixed(1)}%`.padStart(6);
    const source = contexts.length > 1 && answer !== '' ? paint('dim', `  context ${context}`) : '';
    const head = `${bar} ${percent}  ${answer === '' ? paint('italic', 'no answer') : paint('bold', flat(answer))}${source}`;
    if (answer === '') return head;
    const { before, after } = surroundings(contexts[context]!, start, end, columns - MARGIN);
    return `${head}\n${paint('dim', before)}${paint(['bold', 'green'], flat(answer))}${paint('dim', after)}`;
  });
  return blocks.map((block) => `${block.replace(/^/gm, ' '.repeat(MARGIN))}\n`).join('\n');
}

/** The text around an answer, of its own sentence or sentences, cut to what fits in two lines. */
function surroundings(
  context: string,
  start: number,
  end: number,
  columns: number,
): { readonly before: string; readonly after: string } {
  const budget = Math.max(20, 2 * columns - (end - start) - 4);
  // Sentences are looked for nearby only: a context may have megabytes.
  const from = Math.max(0, start - budget);
  const near = context.slice(from, end + budget);
  const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(near)];
  const first = sentences.findLast(({ index }) => from + index <= start)!;
  const last = sentences.find(({ index, segment }) => from + index + segment.length >= end)!;
  const sentenceBegin = from + first.index;
  const sentenceEnd = from + last.index + last.segment.length;
  const half = Math.floor(budget / 2);
  const begin = Math.max(sentenceBegin, start - Math.max(half, budget - (sentenceEnd - end)));
  const until = Math.min(sentenceEnd, end + Math.max(half, budget - (start - begin)));
  // Where a sentence had to be cut, it is cut between words.
  const before = context.slice(begin, start).replace(begin > sentenceBegin ? /^\S*\s/u : '', '');
  const after = context.slice(end, until).replace(until < sentenceEnd ? /\s\S*$/u : '', '');
  return {
    before: `${begin > 0 ? '… ' : ''}${flat(before).trimStart()}`,
    after: `${flat(after).trimEnd()}${until < context.length ? ' …' : ''}`,
  };
}

/** On one line, and without characters that would steer the terminal. */
function flat(text: string): string {
  return text.replace(/\s+/gu, ' ').replace(/\p{Cc}/gu, '');
}
