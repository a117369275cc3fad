/**
 * The three files that an evaluation leaves behind, in the reference's format to the byte: `predictions.json`,
 * `nbest_predictions.json` and `null_odds.json`, each keyed by question id in the data set's order.
 *
 * Source: `postprocess_qa_predictions` in transformers' `utils_qa.py`, which writes `json.dumps(..., indent=4)`.
 */
import { badInput, messageOf, shown } from '../support/errors.ts';
import type { AnswerCandidate, AnswerPrediction } from './post-processing.ts';
import { formatPythonFloat, formatPythonString } from './python-strings.ts';

/** The texts of the three files, by question id. `nullOdds` only where "no answer" was possible. */
export interface PredictionFiles {
  readonly predictions: string;
  readonly nBestPredictions: string;
  readonly nullOdds: string | undefined;
}

export function formatPredictionFiles(predictions: ReadonlyMap<string, AnswerPrediction>): PredictionFiles {
  const answers: [string, string][] = [];
  const nBest: [string, string][] = [];
  const odds: [string, string][] = [];
  for (const [id, { text, nBest: candidates, nullScoreDifference }] of predictions) {
    answers.push([id, formatPythonString(text)]);
    nBest.push([id, formatCandidates(candidates)]);
    if (nullScoreDifference !== undefined) odds.push([id, formatPythonFloat(nullScoreDifference)]);
  }
  return {
    predictions: formatObject(answers),
    nBestPredictions: formatObject(nBest),
    nullOdds: odds.length > 0 ? formatObject(odds) : undefined,
  };
}

function formatObject(entries: readonly (readonly [string, string])[]): string {
  if (entries.length === 0) return '{}\n';
  return `{\n${entries.map(([id, value]) => `    ${formatPythonString(id)}: ${value}`).join(',\n')}\n}\n`;
}

function formatCandidates(candidates: readonly AnswerCandidate[]): string {
  const items = candidates.map(({ text, start, startLogit, endLogit, probability }) => {
    const logits = [
      ['start_logit', formatPythonFloat(startLogit)],
      ['end_logit', formatPythonFloat(endLogit)],
    ];
    const answer = ['text', formatPythonString(text)];
    // The reference's placeholder is made with its text first.
    const fields = start < 0 ? [answer, ...logits] : [...logits, answer];
    fields.push(['probability', formatPythonFloat(probability)]);
    return `        {\n${fields.map(([name, value]) => `            "${name}": ${value}`).join(',\n')}\n        }`;
  });
  return `[\n${items.join(',\n')}\n    ]`;
}

/**
 * Reads `predictions.json`, anybody's: question id to answer text, in the file's order.
 *
 * @throws BertramError `bad-input` for anything but an object of strings
 */
export function parsePredictions(text: string, source = 'predictions'): Map<string, string> {
  const entries = parseFlatObject(text, source);
  for (const [id, value] of entries) {
    if (typeof value !== 'string') badInput(`${source}: ${shown(id)}`, 'an answer text', shown(value));
  }
  return entries as Map<string, string>;
}

/**
 * Reads `null_odds.json`: question id to the score, or the probability, of no answer, in the file's order.
 *
 * @throws BertramError `bad-input` for anything but an object of numbers
 */
export function parseNullOdds(text: string, source = 'null odds'): Map<string, number> {
  const entries = parseFlatObject(text, source);
  for (const [id, value] of entries) {
    if (typeof value !== 'number') badInput(`${source}: ${shown(id)}`, 'a number', shown(value));
  }
  return entries as Map<string, number>;
}

/**
 * An object's entries in the order of the text. JavaScript objects list keys such as "630" first, and the search for
 * the best threshold depends on the order where scores are equal.
 */
function parseFlatObject(text: string, source: string): Map<string, unknown> {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  let object: unknown;
  try {
    object = JSON.parse(body);
  } catch (error) {
    badInput(source, 'JSON', messageOf(error));
  }
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    badInput(source, 'a JSON object from question ids', shown(object));
  }
  const values = new Map(Object.entries(object));
  const entries = new Map<string, unknown>();
  // Every string of the text in turn; a key is one that a colon follows. Keys inside nested values are not known above.
  for (const [, string = '', colon] of body.matchAll(/("(?:[^"\\]|\\.)*")\s*(:)?/g)) {
    if (colon === undefined) continue;
    const key = JSON.parse(string) as string;
    if (values.has(key)) entries.set(key, values.get(key));
  }
  return entries;
}
