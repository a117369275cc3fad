import { describe, expect, it } from 'vitest';
import { drawAnswers } from '../../src/cli/answer-display.ts';

const context =
  'The Rhine is long. In 1821 the town of Cologne, which had been French until 1815, decided at last to finish the ' +
  'cathedral whose crane had stood on the south tower for four hundred years, and asked the king for money. He gave it.';

function answerAt(text: string, answer: string, score = 0.5, context = 0) {
  const start = text.indexOf(answer);
  return { answer, score, start, end: start + answer.length, context };
}

function draw(answers: Parameters<typeof drawAnswers>[0], contexts: readonly string[], columns = 60): string {
  // eslint-disable-next-line no-control-regex
  return drawAnswers(answers, contexts, columns).replace(/\x1b\[\d+m/g, '');
}

describe('drawAnswers', () => {
  it('shows each answer in its sentence, cut to two lines', () => {
    const answers = [answerAt(context, 'Rhine', 0.784), answerAt(context, 'Cologne', 0.1)];
    expect(draw(answers, [context])).toMatchInlineSnapshot(`
      "  ████████░░  78.4%  Rhine
        The Rhine is long. …

        █░░░░░░░░░  10.0%  Cologne
        … In 1821 the town of Cologne, which had been French until 1815, decided at last to finish the cathedral whose …
      "
    `);
  });

  it('says which context where there are several, and when there is no answer', () => {
    const none = { answer: '', score: 0.02, start: 0, end: 0, context: 0 };
    expect(draw([answerAt('b c', 'c', 1, 1), none], ['a', 'b c'])).toMatchInlineSnapshot(`
      "  ██████████ 100.0%  c  context 1
        b c

        ░░░░░░░░░░   2.0%  no answer
      "
    `);
  });

  it('keeps to one line what has many, and lets nothing steer the terminal', () => {
    const text = 'a \x1b[2J b\n\nc\td';
    expect(draw([answerAt(text, 'b\n\nc')], [text])).toMatchInlineSnapshot(`
      "  █████░░░░░  50.0%  b c
        a [2J b c d
      "
    `);
  });

  it('is quick in a long text', () => {
    const text = 'word '.repeat(1_000_000) + 'end';
    const began = performance.now();
    expect(draw([answerAt(text, 'end')], [text])).toContain('word end');
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
