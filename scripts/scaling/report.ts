/**
 * `npx tsx scripts/scaling/report.ts [--json]`: what a training step on several ranks is made of here, and what the model
 * of a step says of it and of up to 512 machines. The figures of docs/scaling.md.
 */
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { allReduceSeconds, fitNetwork, stepSeconds, type Network } from './step-model.ts';

const SIZES = [1024, 2 ** 16, 2 ** 20, 2 ** 24, 108_893_184];
const SEQUENCE = 384;
const BATCH = 2;
const MPIRUN = ['--oversubscribe', '--bind-to', 'none'];
const asRoot = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

function run(ranks: number, script: string, args: readonly number[]): unknown {
  const program = ['--import', 'tsx', `scripts/scaling/${script}`, ...args.map(String)];
  const [command, all] =
    ranks === 1
      ? [process.execPath, program]
      : ['mpirun', ['-n', String(ranks), ...MPIRUN, process.execPath, ...program]];
  const out = execFileSync(command, all, {
    env: { ...process.env, ...asRoot },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(out.toString());
}

interface CommunicationRow {
  readonly numbers: number;
  readonly allReduce: number;
  readonly reduceScatter: number;
  readonly allGather: number;
  readonly broadcast: number;
}
interface StepRow {
  readonly gradients: number;
  readonly waiting: number;
  readonly communication: number;
  readonly update: number;
  readonly step: number;
  readonly peakMegabytes: number;
}

const communication = [2, 3, 4].map((ranks) => ({
  ranks,
  rows: run(ranks, 'communication-rank.ts', SIZES) as CommunicationRow[],
}));
const step = (ranks: number, batch: number, threads: number, sharded = 0): StepRow =>
  run(ranks, 'step-rank.ts', [batch, SEQUENCE, threads, 4, sharded]) as StepRow;
const steps = {
  'one rank, 2 threads, batch 4': step(1, 2 * BATCH, 2),
  'one rank, 1 thread, batch 2': step(1, BATCH, 1),
  'two ranks, 1 thread each, batch 2 each': step(2, BATCH, 1),
  'two ranks, the same, sharded optimizer': step(2, BATCH, 1, 1),
};

const network = fitNetwork(
  2,
  communication[0]!.rows.map(({ numbers, allReduce }) => ({ bytes: 4 * numbers, seconds: allReduce })),
);
const bytes = 4 * SIZES.at(-1)!;
const two = steps['two ranks, 1 thread each, batch 2 each'];
// Two ranks share the memory of this machine, and each is slower than alone: the parts are those measured together.
const parts = { gradients: two.gradients / 1000, update: two.update / 1000, bytes };
const checks = communication.flatMap(({ ranks, rows }) =>
  rows.map(({ numbers, allReduce }) => ({
    ...{ ranks, numbers, measured: allReduce },
    model: allReduceSeconds(ranks, 4 * numbers, network),
  })),
);
const NETWORKS: Readonly<Record<string, Network>> = {
  '1 Gbit/s': { latency: 50e-6, bandwidth: 0.117e9 },
  '10 Gbit/s': { latency: 30e-6, bandwidth: 1.17e9 },
  '25 Gbit/s': { latency: 20e-6, bandwidth: 2.9e9 },
  '100 Gbit/s RDMA': { latency: 3e-6, bandwidth: 11e9 },
};
const predictions = Object.entries(NETWORKS).flatMap(([name, cluster]) =>
  [1, 8].flatMap((accumulation) =>
    [2, 8, 32, 128, 512].map((ranks) => {
      const seconds = stepSeconds(ranks, parts, cluster, { accumulation });
      const alone = accumulation * parts.gradients + parts.update;
      return { network: name, accumulation, ranks, seconds, efficiency: alone / seconds };
    }),
  ),
);
const report = {
  load: loadavg(),
  communication,
  steps,
  fitted: network,
  stepOfTwoRanks: { measured: two.step / 1000, model: stepSeconds(2, parts, network) },
  checks,
  predictions,
};
if (process.argv.includes('--json')) console.log(JSON.stringify(report));
else {
  console.log('load', report.load.map((value) => value.toFixed(1)).join(' '));
  console.table(communication.flatMap(({ ranks, rows }) => rows.map((row) => ({ ranks, ...row }))));
  console.table(steps);
  console.log('fitted on two ranks', network, 'step of two ranks', report.stepOfTwoRanks);
  console.table(checks);
  console.table(predictions);
}
