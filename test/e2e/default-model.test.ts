/** The model that ships with the package answers easy questions, wherever in a text the answer is. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultModelDirectory, QuestionAnswering } from '../../src/index.ts';
import { runJson } from '../cli/captured-terminal.ts';

const facts = [
  'The cathedral of Cologne was begun in 1248.',
  'Its two towers were finished in 1880 by the architect Richard Voigtel.',
  'The bridge beside it carries more than 1,200 trains a day.',
];
const filler =
  'On market days the farmers came early, set up their stalls along the river, and talked about the weather. ';

describe.skipIf(!existsSync(defaultModelDirectory))('the default model (needs models/)', () => {
  let qa: QuestionAnswering;
  beforeAll(async () => {
    qa = await QuestionAnswering.load({ threads: 1 });
  });
  afterAll(() => qa.release());

  it.each([
    { question: 'When was the cathedral begun?', answer: '1248' },
    { question: 'Who finished the towers?', answer: 'Richard Voigtel' },
    { question: 'How many trains cross the bridge every day?', answer: '1,200' },
  ])('$question', async ({ question, answer }) => {
    const short = facts.join(' ');
    expect((await qa.answer({ question, context: short }))[0]!.answer).toContain(answer);

    // In the middle of 9,000 words, far beyond the first window.
    const long = filler.repeat(240) + short + ' ' + filler.repeat(240);
    const [best] = await qa.answer({ question, context: long });
    expect(best!.answer).toContain(answer);
    expect(long.slice(best!.start, best!.end)).toBe(best!.answer);

    const contexts = [filler, facts[2]!, facts[0]!, facts[1]!];
    const [found] = await qa.answer({ question, contexts });
    expect(found!.answer).toContain(answer);
    expect(contexts[found!.context]!.slice(found!.start, found!.end)).toBe(found!.answer);
  });

  it('is sure of an answer that is there, and not of one that is not', async () => {
    const request = { question: 'When was the cathedral begun?' };
    const [there] = await qa.answerMany([{ ...request, context: facts[0]! }]);
    const [absent] = await qa.answerMany([{ ...request, context: filler }]);
    expect(there!.noAnswerScore).toBeLessThan(absent!.noAnswerScore);
    expect(there!.answers[0]!.score).toBeGreaterThan(0.3);
  });

  it('is the one that commands use unless told', async () => {
    const args = [
      'answer',
      '--question',
      'When was it begun?',
      '--context',
      facts[0]!,
      '--json',
      '--threads',
      '1',
    ];
    expect(await runJson(args)).toMatchObject({
      answers: [{ answer: '1248', start: 38, end: 42, context: 0 }],
    });
    const tokens = await runJson(['tokenize'], { input: 'Cologne' });
    expect(tokens).toMatchObject({ tokens: ['cologne'], offsets: [[0, 7]] });
  });
});
