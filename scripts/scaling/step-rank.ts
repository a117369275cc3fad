/**
 * What every rank of the scaling report does to time a training step of BERT-base on question answering: gradients,
 * communication and update apart. Without mpirun it is the step of a single process.
 */
import { presetConfig } from '../../src/bert/config.ts';
import { joinJob, type Communicator } from '../../src/distributed/index.ts';
import { fineTuningAdamW } from '../../src/optim/index.ts';
import { questionAnsweringObjective } from '../../src/squad/fine-tuning.ts';
import { TrainStep } from '../../src/training/index.ts';

const [batch = 1, sequence = 384, threads = 1, steps = 3, sharded = 0] = process.argv.slice(2).map(Number);
const { ranks } = await joinJob();

let communication = 0;
async function counted(work: Promise<void>): Promise<void> {
  const began = performance.now();
  await work;
  communication += performance.now() - began;
}
const timed: Communicator = {
  rank: ranks.rank,
  size: ranks.size,
  allReduceSum: (values) => counted(ranks.allReduceSum(values)),
  reduceScatterSum: (values, bounds) => counted(ranks.reduceScatterSum(values, bounds)),
  allGather: (values, bounds) => counted(ranks.allGather(values, bounds)),
  broadcast: (values, from) => ranks.broadcast(values, from),
  gatherBytes: (bytes) => ranks.gatherBytes(bytes),
  barrier: () => ranks.barrier(),
  close: () => ranks.close(),
};

const engine = await TrainStep.create(questionAnsweringObjective(presetConfig('base', 30_522)), {
  ...{ optimizer: fineTuningAdamW, maxGradNorm: 1, seed: 1, threads, ranks: timed },
  shardOptimizer: sharded === 1,
});
engine.state.initialize(1);
const tokens = { data: new Int32Array(batch * sequence).fill(5), shape: [batch, sequence] };
const places = { data: new Int32Array(batch).fill(7), shape: [batch] };
const feeds = {
  ...{ input_ids: tokens, token_type_ids: { ...tokens, data: new Int32Array(batch * sequence) } },
  ...{ attention_mask: { ...tokens, data: new Int32Array(batch * sequence).fill(1) } },
  ...{ start_positions: places, end_positions: places },
};
const sizes = new Map([
  ['B', batch],
  ['S', sequence],
]);
const best = { gradients: Infinity, waiting: 0, communication: Infinity, update: Infinity, step: Infinity };
for (let step = 1; step <= steps; step++) {
  communication = 0;
  const began = performance.now();
  await engine.backward(feeds, sizes, step);
  const computed = performance.now();
  await ranks.barrier();
  const together = performance.now();
  await engine.update(step, 1e-5);
  const ended = performance.now();
  best.gradients = Math.min(best.gradients, computed - began);
  best.communication = Math.min(best.communication, communication);
  best.update = Math.min(best.update, ended - together - communication);
  if (ended - began < best.step) Object.assign(best, { step: ended - began, waiting: together - computed });
}
const megabytes = process.resourceUsage().maxRSS / 1024;
await engine.release();
await ranks.close();
if (ranks.rank === 0) console.log(JSON.stringify({ ...best, peakMegabytes: megabytes }));
