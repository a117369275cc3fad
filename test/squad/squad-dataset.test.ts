import { describe, expect, it } from 'vitest';
import { parseSquad, type SquadParseOptions } from '../../src/squad/index.ts';
import { fixture, hasSharedData, ownSet, sharedSet } from './shared-sets.ts';

const context = 'Vell 🐟 lies on the coast. Its harbour was built in 1712.';
const answer = { text: '1712', answer_start: 51 };
const question = { id: 'q1', question: 'When was it built?', answers: [answer] };
const flat = { id: 'q1', title: 'Vell', context, question: question.question };
const flatAnswers = { text: ['1712'], answer_start: [51] };

function nested(qa: object, paragraph: object = {}): string {
  return JSON.stringify({
    version: '1.1',
    data: [{ title: 'Vell', paragraphs: [{ context, qas: [qa], ...paragraph }] }],
  });
}

function errorOf(text: string, options: SquadParseOptions = {}): string {
  try {
    parseSquad(text, { source: 'train.json', ...options });
  } catch (error) {
    return String(error);
  }
  return 'no error';
}

describe('parseSquad', () => {
  const expected = {
    examples: [
      {
        id: 'q1',
        title: 'Vell',
        question: 'When was it built?',
        context,
        answers: [{ text: '1712', start: 52 }], // one more than in code points: the fish is two units
        isImpossible: false,
      },
    ],
    droppedAnswers: [],
  };
  const withAnswers = { ...flat, answers: flatAnswers };

  it.each([
    ['SQuAD JSON', nested(question)],
    ['SQuAD JSON after a byte order mark', `\ufeff${nested(question)}`],
    ['one JSON line', JSON.stringify(withAnswers)],
    ['JSON lines with blank ones between', `\n${JSON.stringify(withAnswers)}\r\n\r\n`],
    ['flattened records under data', JSON.stringify({ data: [withAnswers] })],
    ['an array of flattened records', JSON.stringify([withAnswers])],
    ['a flattened record with listed answers', JSON.stringify({ ...flat, answers: [answer] })],
  ])('reads %s', (_, text) => expect(parseSquad(text)).toEqual(expected));

  it('reads many JSON lines', () => {
    const lines = [1, 2, 3].map((number) => JSON.stringify({ ...withAnswers, id: `q${number}` }));
    expect(parseSquad(lines.join('\n')).examples.map(({ id }) => id)).toEqual(['q1', 'q2', 'q3']);
  });

  it('reads impossible questions of both layouts', () => {
    const none = { ...question, answers: [], plausible_answers: [answer], is_impossible: true };
    const lines = JSON.stringify({ ...flat, answers: { text: [], answer_start: [] } });
    for (const text of [nested(none), lines]) {
      expect(parseSquad(text).examples).toMatchObject([{ answers: [], isImpossible: true }]);
    }
  });

  it('counts offsets in UTF-16 units if told so', () => {
    const text = nested({ ...question, answers: [{ text: '1712', answer_start: 52 }] });
    expect(parseSquad(text, { offsetUnit: 'utf-16' })).toEqual(expected);
    expect(errorOf(text)).toContain('got "712."');
  });

  it('reads its own set, whose every answer is a slice of its context', () => {
    const { examples } = ownSet();
    expect(examples).toHaveLength(25);
    expect(examples.filter(({ isImpossible }) => isImpossible)).toHaveLength(3);
    for (const example of examples) {
      for (const { text, start } of example.answers) {
        expect(example.context.slice(start, start + text.length)).toBe(text);
      }
    }
    expect(examples.flatMap(({ answers }) => answers.map(({ text }) => text))).toContain('fish soup 🍲');
  });

  it.skipIf(!hasSharedData).each([
    ['squad-train-partial', 20824],
    ['new-wiki-valid', 1738],
    ['reddit', 9803],
  ])('reads %s with its %i questions (skipped without ../shared/data)', async (name, count) => {
    expect((await sharedSet(name)).examples).toHaveLength(count);
  });

  it('drops answers that are not there if told so, and their questions', () => {
    const wrong = { text: '1712', answer_start: 3 };
    const text = JSON.stringify({
      data: [
        {
          paragraphs: [
            {
              context,
              qas: [
                { ...question, answers: [wrong, answer] },
                { ...question, id: 'q2', answers: [wrong] },
                { ...question, id: 'q3' },
              ],
            },
          ],
        },
      ],
    });
    const { examples, droppedAnswers } = parseSquad(text, { mismatchedAnswers: 'drop' });
    expect(examples.map(({ id, answers }) => [id, answers.length])).toEqual([
      ['q1', 1],
      ['q3', 1],
    ]);
    expect(droppedAnswers).toEqual([
      { questionId: 'q1', path: 'data[0].paragraphs[0].qas[0].answers[0]' },
      { questionId: 'q2', path: 'data[0].paragraphs[0].qas[1].answers[0]' },
    ]);
  });
});

describe('parseSquad refuses', () => {
  const qa = 'data[0].paragraphs[0].qas[0]';

  it.each<[string, string, string]>([
    ['a text', 'hello', 'train.json: expected SQuAD JSON or JSON lines, got Unexpected token'],
    [
      'a cut file',
      nested(question).slice(0, -9),
      'train.json: expected SQuAD JSON or JSON lines, got Expected',
    ],
    ['an empty file', '', 'train.json: expected SQuAD JSON or JSON lines, got Unexpected end of JSON input'],
    ['a number', '3', 'train.json: expected an object, got 3'],
    ['no data', '{}', 'train.json: data: expected an array, got nothing'],
    ['no questions', '{"data":[]}', 'train.json: expected at least one question, got none'],
    ['an article that is none', '{"data":[7]}', 'train.json: data[0]: expected an object, got 7'],
    [
      'an article without paragraphs',
      '{"data":[{"title":"Vell"}]}',
      'train.json: data[0]: expected an article with paragraphs, or a question with its context, got neither',
    ],
    [
      'a title that is no text',
      '{"data":[{"title":1,"paragraphs":[]}]}',
      'data[0].title: expected a string, got 1',
    ],
    [
      'a paragraph without context',
      nested(question, { context: undefined }),
      'train.json: data[0].paragraphs[0].context: expected a string, got nothing',
    ],
    [
      'a blank context',
      nested(question, { context: ' \n' }),
      'context: expected a text that is not blank, got " \\n"',
    ],
    [
      'questions that are no list',
      nested(question, { qas: {} }),
      'paragraphs[0].qas: expected an array, got {}',
    ],
    [
      'an id that is no text',
      nested({ ...question, id: 5 }),
      `train.json: ${qa}.id: expected a string, got 5`,
    ],
    [
      'a blank question',
      nested({ ...question, question: ' ' }),
      `${qa}.question: expected a text that is not blank`,
    ],
    [
      'no answers',
      nested({ ...question, answers: undefined }),
      `${qa}.answers: expected an array, got nothing`,
    ],
    [
      'an empty answer',
      nested({ ...question, answers: [{ text: '', answer_start: 0 }] }),
      `${qa}.answers[0].text: expected a text that is not empty, got ""`,
    ],
    [
      'an offset that is no number',
      nested({ ...question, answers: [{ ...answer, answer_start: '51' }] }),
      `train.json: ${qa}.answers[0].answer_start: expected a whole number from 0, got "51"`,
    ],
    [
      'a negative offset',
      nested({ ...question, answers: [{ ...answer, answer_start: -1 }] }),
      `${qa}.answers[0].answer_start: expected a whole number from 0, got -1`,
    ],
    [
      'an answer that is not there',
      nested({ ...question, answers: [{ ...answer, answer_start: 50 }] }),
      `train.json: ${qa}.answers[0] (question q1): expected "1712" at answer_start 50 of the context, got " 171"`,
    ],
    [
      'an offset past the context',
      nested({ ...question, answers: [{ ...answer, answer_start: 500 }] }),
      `${qa}.answers[0] (question q1): expected "1712" at answer_start 500 of the context, got ""`,
    ],
    [
      'a mark that is none',
      nested({ ...question, is_impossible: 'no' }),
      `${qa}.is_impossible: expected true or false, got "no"`,
    ],
    [
      'an impossible question with an answer',
      nested({ ...question, is_impossible: true }),
      `${qa}.answers: expected no answers to a question marked impossible, got 1 answers`,
    ],
    [
      'a possible question without one',
      nested({ ...question, answers: [], is_impossible: false }),
      `${qa}.answers: expected an answer, or is_impossible: true, got 0 answers`,
    ],
    [
      'the same id twice',
      nested(question, { qas: [question, question] }),
      `train.json: data[0].paragraphs[0].qas[1].id: expected an id other than that of ${qa}, got "q1"`,
    ],
    [
      'a broken JSON line',
      `${JSON.stringify({ ...flat, answers: flatAnswers })}\n{"id":`,
      'train.json: line 2: expected a JSON object, got Unexpected end of JSON input',
    ],
    [
      'a JSON line that is no object',
      `${JSON.stringify({ ...flat, answers: flatAnswers })}\n[]`,
      'train.json: line 2: expected an object, got []',
    ],
    [
      'offsets fewer than texts',
      JSON.stringify({ ...flat, answers: { text: ['1712'], answer_start: [] } }),
      'train.json: line 1.answers.answer_start: expected 1 offsets, one for each text, got 0',
    ],
    [
      'a flattened answer that is not there',
      JSON.stringify({ ...flat, answers: { text: ['1712'], answer_start: [1] } }),
      'train.json: line 1.answers[0] (question q1): expected "1712" at answer_start 1 of the context, got "ell "',
    ],
  ])('%s', (_, text, message) => {
    const error = errorOf(text);
    expect(error).toContain(message);
    expect(error).toMatch(/^BertramError: [^\n]*$/);
  });

  it('anything else that a valid file can be turned into, in one line', () => {
    const valid = fixture('own-set.json');
    for (const replacement of ['null', '[]', '{}', '1.5', '""', 'true']) {
      for (const field of [
        'data',
        'paragraphs',
        'qas',
        'context',
        'question',
        'answers',
        'id',
        'text',
        'answer_start',
      ]) {
        const broken = JSON.stringify(JSON.parse(valid), (key, value: unknown) =>
          key === field ? (JSON.parse(replacement) as unknown) : value,
        );
        const error = errorOf(broken);
        if (error !== 'no error')
          expect(error, `${field}: ${replacement}`).toMatch(/^BertramError: train\.json: [^\n]*$/);
      }
    }
  });
});
