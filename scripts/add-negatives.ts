/**
 * Adds generated questions without an answer to a data set, as `finetune --negative_fraction` does, and writes both as
 * SQuAD v2.0 records, a line each.
 *
 *     tsx scripts/add-negatives.ts IN OUT FRACTION [SEED]
 */
import { writeFileSync } from 'node:fs';
import { negativeExamples } from '../src/squad/index.ts';
import { readSquadFile } from '../src/squad/squad-files.ts';
import { Random } from '../src/support/random.ts';

const [from, to, fraction, seed = '0'] = process.argv.slice(2) as [string, string, string, string?];
const { examples } = await readSquadFile(from);
const random = new Random(Number(seed), 'negatives');
const negatives = negativeExamples(examples, { fraction: Number(fraction), random });
const lines = [...examples, ...negatives].map(({ id, title, question, context, answers }) => {
  const text = answers.map((answer) => answer.text);
  // SQuAD counts code points, not UTF-16 units.
  const answerStart = answers.map(({ start }) => Array.from(context.slice(0, start)).length);
  return JSON.stringify({ id, title, context, question, answers: { text, answer_start: answerStart } });
});
writeFileSync(to, `${lines.join('\n')}\n`);
