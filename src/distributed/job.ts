/** Joining the ranks that a process was started with, and its share of the machine it is on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { badInput } from '../support/errors.ts';
import { singleProcess, type Communicator } from './communicator.ts';
import { OpenMpi } from './open-mpi.ts';
import { rankCount, torchrunEnvironment, type Environment, type RankNumbers } from './rank-environment.ts';
import { gatherValues } from './shared-values.ts';

export interface Job {
  readonly ranks: Communicator;
  /** Threads for this rank, so that all ranks of a machine together have one a core; as many as there are if it is alone. */
  readonly threads: number | undefined;
}

/** One process that has the machine to itself. */
export const singleJob: Job = { ranks: singleProcess, threads: undefined };

/**
 * Joins, and sets what torchrun would have set (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`, ...) in the environment.
 *
 * @throws BertramError `unsupported` where there should be several ranks and cannot be
 */
export async function joinJob(env: Record<string, string | undefined> = process.env): Promise<Job> {
  const expected = rankCount(env);
  if (expected === 1) return singleJob;
  const ranks = OpenMpi.join();
  if (ranks.size !== expected) {
    const of = 'mpirun and the MPI library may be of different versions';
    badInput('Open MPI', `the ${expected} ranks of the environment`, `${ranks.size}; ${of}`);
  }
  const places = await gatherValues(ranks, placeOf(env));
  const own = places[ranks.rank]!;
  const onHost = places.flatMap(({ host }, rank) => (host === own.host ? [rank] : []));
  const numbers: RankNumbers = {
    rank: ranks.rank,
    size: ranks.size,
    localRank: onHost.indexOf(ranks.rank),
    localSize: onHost.length,
    firstHost: places[0]!.host,
  };
  Object.assign(env, torchrunEnvironment(numbers));
  // Ranks that are bound to cores of their own share them with nobody.
  const sharing = places.filter(({ host, cores }) => host === own.host && cores === own.cores).length;
  return { ranks, threads: Math.max(1, Math.floor(availableParallelism() / sharing)) };
}

interface Place {
  readonly host: string;
  /** The cores that the process may run on, as `0-3`. */
  readonly cores: string;
}

function placeOf(env: Environment): Place {
  return { host: env['PMIX_HOSTNAME'] ?? hostname(), cores: allowedCores() };
}

/** Only Linux tells; elsewhere ranks are not bound to cores. */
function allowedCores(): string {
  try {
    return /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}
