/**
 * What every rank of the test of the collectives does: each operation at several sizes, on numbers that are whole, so
 * that their sums are exact. Rank 0 prints what did not come out as the formulas say, and how much was compared.
 */
import { evenBounds, gatherValues, onFirstRank } from '../../src/distributed/index.ts';
import { OpenMpi } from '../../src/distributed/open-mpi.ts';

const SIZES = [0, 1, 5, 2 ** 20 + 3];
const [largestCount] = process.argv.slice(2).map(Number);
const ranks = OpenMpi.join(largestCount);
const { rank, size } = ranks;
const wrong: string[] = [];
let compared = 0;

/** What rank `from` has at a place: another number on each rank, below 2^20 so that sums of them are exact. */
const valueOf = (from: number, place: number): number => ((place * 7 + from * 13) % 1009) - 504;
const sumAt = (place: number): number => {
  let sum = 0;
  for (let from = 0; from < size; from++) sum += valueOf(from, place);
  return sum;
};
const own = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => valueOf(rank, i));

function check(what: string, values: ArrayLike<number>, expected: (place: number) => number): void {
  for (let i = 0; i < values.length; i++) {
    compared += 1;
    if (values[i] === expected(i)) continue;
    wrong.push(`rank ${rank}: ${what}: ${i}: expected ${expected(i)}, got ${values[i]}`);
    return;
  }
}

for (const length of SIZES) {
  const sums = own(length);
  await ranks.allReduceSum(sums);
  check(`allReduceSum of ${length}`, sums, sumAt);

  const doubles = Float64Array.from({ length }, (_, i) => valueOf(rank, i) + 2 ** 40);
  await ranks.allReduceSum(doubles);
  check(`allReduceSum of ${length} doubles`, doubles, (i) => sumAt(i) + size * 2 ** 40);

  for (let from = 0; from < size; from++) {
    const sent = own(length);
    await ranks.broadcast(sent, from);
    check(`broadcast of ${length} from ${from}`, sent, (i) => valueOf(from, i));
  }

  const bounds = evenBounds(length, size, 16);
  const [begin, end] = [bounds[rank]!, bounds[rank + 1]!];
  const scattered = own(length);
  await ranks.reduceScatterSum(scattered, bounds);
  check(`reduceScatterSum of ${length}`, scattered.subarray(begin, end), (i) => sumAt(begin + i));

  const slices = new Float32Array(length);
  slices.set(own(length).subarray(begin, end), begin);
  await ranks.allGather(slices, bounds);
  check(`allGather of ${length}`, slices, (i) =>
    valueOf(
      bounds.findIndex((bound, r) => bound <= i && i < bounds[r + 1]!),
      i,
    ),
  );

  const gathered = await ranks.gatherBytes(Uint8Array.from({ length: length * rank }, (_, i) => i + rank));
  check(
    `gatherBytes of ${length}`,
    gathered.map(({ length }) => length),
    (r) => length * r,
  );
  for (const [r, bytes] of gathered.entries()) check(`gatherBytes of ${length}`, bytes, (i) => (i + r) & 255);
}

check(
  'gatherValues',
  (await gatherValues(ranks, { of: rank * 1.1 })).map(({ of }) => of),
  (r) => r * 1.1,
);
check('onFirstRank', [await onFirstRank(ranks, () => Promise.resolve(rank + 42))], () => 42);
const refused = await onFirstRank(ranks, () => Promise.reject(new Error('no'))).catch(
  (error: unknown) => error,
);
if (!(refused instanceof Error) || refused.message !== 'no')
  wrong.push(`rank ${rank}: onFirstRank: an error`);
// Two that are started at once are done one after the other.
const [a, b] = [own(3), own(4)];
await Promise.all([ranks.allReduceSum(a), ranks.allReduceSum(b), ranks.barrier()]);
check('the first of two at once', a, sumAt);
check('the second of two at once', b, sumAt);

const all = await gatherValues(ranks, { wrong, compared });
await ranks.close();
if (rank === 0)
  console.log(
    JSON.stringify({ wrong: all.flatMap((one) => one.wrong), compared: all.map((one) => one.compared) }),
  );
