/** Every collective operation on real ranks, against closed formulas. */
import { describe, expect, it } from 'vitest';
import { hasMpirun, mpirun } from './mpirun.ts';

const PROGRAM = ['--import', 'tsx', 'test/distributed/collectives-rank.ts'];

describe.skipIf(!hasMpirun)('collectives through Open MPI (skipped without mpirun)', () => {
  it.each([
    ['2 ranks', 2, []],
    ['3 ranks', 3, []],
    ['3 ranks, arrays in parts of 99,991', 3, ['99991']],
  ] as const)('are right on %s', async (_, ranks, args) => {
    const { exitCode, out, err } = await mpirun(ranks, [...PROGRAM, ...args]);
    expect(err).toBe('');
    const { wrong, compared } = JSON.parse(out) as { wrong: string[]; compared: number[] };
    expect(wrong).toEqual([]);
    expect(compared).toHaveLength(ranks);
    for (const count of compared) expect(count).toBeGreaterThan(2 ** 22);
    expect(exitCode).toBe(0);
  });
});
