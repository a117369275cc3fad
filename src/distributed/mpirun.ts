/** Starting ranks of a program with Open MPI's `mpirun`. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { BertramError } from '../support/errors.ts';
import { INSTALL_OPEN_MPI } from './mpi-library.ts';
import { LAUNCHED } from './rank-record.ts';

export interface MpirunRequest {
  readonly ranksPerNode: number;
  readonly nodes: number;
  /** As mpirun takes them: `a:2,b:2`. */
  readonly hosts?: string;
  readonly hostFile?: string;
  /** Options of mpirun itself. */
  readonly options?: readonly string[];
  readonly program: readonly string[];
}

export interface MpirunCommand {
  readonly args: readonly string[];
  /** What is added for the sake of this machine, and why. */
  readonly notes: readonly string[];
}

/** Ranks are not bound to cores: they have threads, which may then use all cores of the machine together. */
export function mpirunCommand(
  request: MpirunRequest,
  machine = { cores: availableParallelism(), isRoot: process.getuid?.() === 0 },
): MpirunCommand {
  const { ranksPerNode, nodes, hosts, hostFile, options = [], program } = request;
  const args = ['--tag-output', '-n', String(ranksPerNode * nodes), '--bind-to', 'none'];
  const notes: string[] = [];
  if (hosts !== undefined) args.push('--host', hosts);
  if (hostFile !== undefined) args.push('--hostfile', hostFile);
  if (nodes > 1) args.push('--map-by', `ppr:${ranksPerNode}:node`);
  if (nodes === 1 && hosts === undefined && hostFile === undefined && ranksPerNode > machine.cores) {
    args.push('--oversubscribe');
    notes.push(`${ranksPerNode} ranks on ${machine.cores} cores (mpirun --oversubscribe): they take turns`);
  }
  if (machine.isRoot) {
    args.push('--allow-run-as-root');
    notes.push('ranks run as root (mpirun --allow-run-as-root)');
  }
  return { args: [...args, '-x', `${LAUNCHED}=1`, ...options, ...program], notes };
}

/** @throws BertramError `unsupported` where there is no mpirun, or another MPI's */
export async function requireMpirun(): Promise<void> {
  const found = await promisify(execFile)('mpirun', ['--version']).catch(() => undefined);
  const version = found?.stdout.split('\n')[0] ?? '';
  if (/Open ?MPI|Open RTE|PRTE/i.test(version)) return;
  const got = found === undefined ? 'none' : `another (${version.trim() || 'of no version'})`;
  throw new BertramError(
    'unsupported',
    `ranks are started by Open MPI's mpirun: expected it on PATH, got ${got}; ${INSTALL_OPEN_MPI}`,
  );
}

/** In a process group of its own, so that Ctrl-C comes to whoever started it, and not past it to mpirun. */
export function startMpirun(args: readonly string[]): ChildProcess {
  return spawn('mpirun', args, { stdio: ['inherit', 'pipe', 'pipe'], detached: true });
}
