/** Our side of `bench/prepare.ts`: one run of `prepare` in a process of its own, from text to finished shards. */
import { availableParallelism } from 'node:os';
import { prepare } from '../../src/pretraining/index.ts';

const [input, vocab, outputDir, dupeFactor] = process.argv.slice(2) as [string, string, string, string];
const began = performance.now();
const cpuBegan = process.cpuUsage();
const { training } = await prepare({
  inputs: [input],
  outputDir,
  vocab,
  lowercase: false,
  sentencePerLine: false,
  wholeWordMask: true,
  maxSeqLength: 128,
  maxPredictionsPerSeq: 20,
  maskedLmProb: 0.15,
  shortSeqProb: 0.1,
  dupeFactor: Number(dupeFactor),
  heldOut: 0,
  seed: 12345,
  workers: availableParallelism(),
});
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpuBegan);
const { examples } = training.counts;
const peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, examples, peakBytes }));
