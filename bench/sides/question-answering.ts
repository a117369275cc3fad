/** Our side of `bench/question-answering.ts`: each line on stdin evaluates the whole data set, from texts to scores. */
import { createInterface } from 'node:readline';
import { evaluate, loadQuestionAnsweringModel, type Precision } from '../../src/pipelines/index.ts';
import { readSquadFile } from '../../src/squad/squad-files.ts';

const [dataset, precision] = process.argv.slice(2) as [string, Precision];
const data = await readSquadFile(dataset);
const model = await loadQuestionAnsweringModel({ precision });
console.log(JSON.stringify({ ready: true }));
for await (const _ of createInterface(process.stdin)) {
  const { metrics } = await evaluate(model, data);
  const { seconds, f1 } = metrics;
  console.log(JSON.stringify({ seconds, f1, peak_bytes: process.resourceUsage().maxRSS * 1024 }));
}
