/** What every rank of the scaling report does to time the operations of MPI: the best of several, at several sizes. */
import { evenBounds } from '../../src/distributed/index.ts';
import { OpenMpi } from '../../src/distributed/open-mpi.ts';

const REPEATS = 7;
const sizes = process.argv.slice(2).map(Number);
const ranks = OpenMpi.join();

/** The best time of the slowest rank, in seconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const times = new Float64Array(REPEATS);
  for (let i = 0; i < REPEATS; i++) {
    await ranks.barrier();
    const began = performance.now();
    await work();
    times[i] = (performance.now() - began) / 1000;
  }
  await ranks.allReduceSum(times);
  return Math.min(...times) / ranks.size;
}

const rows = [];
for (const size of sizes) {
  const values = new Float32Array(size);
  const bounds = evenBounds(size, ranks.size, 16);
  rows.push({
    numbers: size,
    allReduce: await timed(() => ranks.allReduceSum(values)),
    reduceScatter: await timed(() => ranks.reduceScatterSum(values, bounds)),
    allGather: await timed(() => ranks.allGather(values, bounds)),
    broadcast: await timed(() => ranks.broadcast(values)),
  });
}
await ranks.close();
if (ranks.rank === 0) console.log(JSON.stringify(rows));
