/** Whether this process is one of several ranks, by what whoever started it has put into its environment. */
import { BertramError } from '../support/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const START_WITH = 'start ranks with `bertram launch --nproc-per-node N -- ...` or `mpirun -n N bertram ...`';

/**
 * The number of ranks that Open MPI can connect: those of `mpirun`, or of Slurm's `srun --mpi=pmix`; 1 for a process
 * that works alone.
 *
 * @throws BertramError `unsupported` for one of several processes that MPI cannot connect, such as torchrun's
 */
export function rankCount(env: Environment): number {
  const number = (name: string): number => Number(env[name] ?? 1);
  if (env['OMPI_COMM_WORLD_SIZE'] !== undefined) return number('OMPI_COMM_WORLD_SIZE');
  const slurmTasks = number('SLURM_STEP_NUM_TASKS');
  if (slurmTasks > 1) {
    if (env['PMIX_RANK'] !== undefined) return slurmTasks;
    throw new BertramError(
      'unsupported',
      `srun of ${slurmTasks} tasks: expected PMIx, got none; start with \`srun --mpi=pmix\`, or with mpirun in a batch script`,
    );
  }
  if (number('PMI_SIZE') > 1) {
    throw new BertramError(
      'unsupported',
      `ranks of MPICH or one of its kind (PMI_SIZE=${number('PMI_SIZE')}): expected those of Open MPI; ${START_WITH}`,
    );
  }
  if (number('WORLD_SIZE') > 1) {
    throw new BertramError(
      'unsupported',
      `WORLD_SIZE=${number('WORLD_SIZE')} without MPI, as of torchrun: expected ranks of Open MPI; ${START_WITH}`,
    );
  }
  return 1;
}

/** What torchrun tells its processes, for programs and scripts that look for it. */
export interface RankNumbers {
  readonly rank: number;
  readonly size: number;
  readonly localRank: number;
  readonly localSize: number;
  /** The host of rank 0. */
  readonly firstHost: string;
}

export function torchrunEnvironment(numbers: RankNumbers): Readonly<Record<string, string>> {
  return {
    RANK: String(numbers.rank),
    WORLD_SIZE: String(numbers.size),
    LOCAL_RANK: String(numbers.localRank),
    LOCAL_WORLD_SIZE: String(numbers.localSize),
    MASTER_ADDR: numbers.firstHost,
  };
}
