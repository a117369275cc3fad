import { describe, expect, it } from 'vitest';
import { formatPredictionFiles, parseNullOdds, parsePredictions } from '../../src/squad/index.ts';

const candidate = {
  text: 'Zoë “Å” 🐟\n',
  start: 0,
  end: 11,
  startLogit: 2,
  endLogit: -0.5,
  probability: 0.00001,
};
const predictions = new Map([
  ['q', { text: candidate.text, nBest: [candidate], nullScoreDifference: -3 }],
  [
    '630',
    { text: '', nBest: [{ ...candidate, text: 'empty', start: -1, end: -1 }], nullScoreDifference: 1e-7 },
  ],
]);

describe('formatPredictionFiles', () => {
  it('writes as json.dumps(..., indent=4) does', () => {
    expect(formatPredictionFiles(predictions)).toMatchInlineSnapshot(`
      {
        "nBestPredictions": "{
          "q": [
              {
                  "start_logit": 2.0,
                  "end_logit": -0.5,
                  "text": "Zo\\u00eb \\u201c\\u00c5\\u201d \\ud83d\\udc1f\\n",
                  "probability": 1e-05
              }
          ],
          "630": [
              {
                  "text": "empty",
                  "start_logit": 2.0,
                  "end_logit": -0.5,
                  "probability": 1e-05
              }
          ]
      }
      ",
        "nullOdds": "{
          "q": -3.0,
          "630": 1e-07
      }
      ",
        "predictions": "{
          "q": "Zo\\u00eb \\u201c\\u00c5\\u201d \\ud83d\\udc1f\\n",
          "630": ""
      }
      ",
      }
    `);
  });

  it('writes no null odds where no answer was not possible, and nothing of nothing', () => {
    const possible = { text: candidate.text, nBest: [candidate], nullScoreDifference: undefined };
    expect(formatPredictionFiles(new Map([['q', possible]])).nullOdds).toBeUndefined();
    expect(formatPredictionFiles(new Map()).predictions).toBe('{}\n');
  });
});

describe('parsePredictions and parseNullOdds', () => {
  it('read back what was written, in its order', () => {
    const files = formatPredictionFiles(predictions);
    expect([...parsePredictions(files.predictions)]).toEqual(
      [...predictions].map(([id, { text }]) => [id, text]),
    );
    expect([...parseNullOdds(files.nullOdds!)]).toEqual([
      ['q', -3],
      ['630', 1e-7],
    ]);
  });

  it('are not misled by quotes and colons inside texts', () => {
    const text = '\ufeff{"b\\"": "\\"7\\": x", "__proto__": "p", "7" : "\\\\", "b\\"": "last"}';
    expect([...parsePredictions(text)]).toEqual([
      ['b"', 'last'],
      ['__proto__', 'p'],
      ['7', '\\'],
    ]);
  });

  it.each([
    ['', 'p.json: expected JSON, got Unexpected end of JSON input'],
    ['[1]', 'p.json: expected a JSON object from question ids, got [1]'],
    ['null', 'p.json: expected a JSON object from question ids, got null'],
    ['{"q": 3}', 'p.json: "q": expected an answer text, got 3'],
    ['{"q": {"q": "x"}}', 'p.json: "q": expected an answer text, got {"q":"x"}'],
  ])('refuse %s', (text, message) => expect(() => parsePredictions(text, 'p.json')).toThrow(message));

  it('refuse null odds that are no numbers', () => {
    expect(() => parseNullOdds('{"q": "0.5"}')).toThrow('null odds: "q": expected a number, got "0.5"');
  });
});
