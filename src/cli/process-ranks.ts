/**
 * Commands that several ranks do together, started by `bertram launch`, `mpirun` or `srun`: all of them run the same
 * command, rank 0 prints and writes, and an error of any of them ends all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { joinJob, type Communicator } from '../distributed/index.ts';
import { isAbort } from '../support/errors.ts';
import { TrainingStopped } from '../training/training-stopped.ts';
import { whole } from './option-values.ts';
import { Output, type Terminal } from './terminal.ts';
import { Writable } from 'node:stream';

/** `bertram launch` asks ranks to stop with this signal: `mpirun` passes it on, and answers others by ending the ranks. */
export const STOP_SIGNAL = 'SIGUSR2';

/** What all ranks are wrong about, such as a missing file, rank 0 says first, and then the others are ended. */
const HEAD_START_MILLISECONDS = 1500;

/** Accepted for the sake of scripts for torchrun and its forerunner, which give it: ranks know their number. */
export function addRankOptions(command: Command): Command {
  return command.addOption(new Option('--local-rank <n>').argParser(whole).hideHelp());
}

/** How the optimizer's moments are kept, by commands that train. */
export function addShardingOption(command: Command): Command {
  return addRankOptions(command).option(
    '--shard-optimizer',
    "with several ranks: each keeps a part of the optimizer's moments only, which takes less memory",
  );
}

/** What a command is asked, and the ranks that do it. */
export type Ranked<Flags> = Flags & {
  readonly ranks: Communicator;
  /** This rank's share of the machine, unless told otherwise; undefined for a process that has it to itself. */
  readonly threads?: number;
};

/** Joins the other ranks, if there are any, and does the work with them. */
export async function withRanks<Flags extends object>(
  terminal: Terminal,
  flags: Flags,
  work: (flags: Ranked<Flags>, terminal: Terminal) => Promise<void>,
): Promise<void> {
  const { ranks, threads } = await joinJob();
  const ranked = { ...(threads === undefined ? {} : { threads }), ...flags, ranks };
  if (ranks.size === 1) {
    await work(ranked, terminal);
    return;
  }
  const terminate = (): void => void process.kill(process.pid, 'SIGTERM');
  process.on(STOP_SIGNAL, terminate);
  try {
    await work(ranked, ranks.rank === 0 ? terminal : silent(terminal));
    await ranks.close();
  } catch (error) {
    if (!(error instanceof TrainingStopped || isAbort(error))) throw error;
    await ranks.close();
    if (ranks.rank === 0) throw error;
  } finally {
    process.off(STOP_SIGNAL, terminate);
  }
}

/** To be awaited before an error is printed. Returns the rank, if this process is one of several. */
export async function turnToFail(env = process.env): Promise<number | undefined> {
  const rank = env['OMPI_COMM_WORLD_RANK'] ?? env['PMIX_RANK'];
  if (rank === undefined) return undefined;
  if (rank !== '0') await sleep(HEAD_START_MILLISECONDS);
  return Number(rank);
}

function silent({ input }: Terminal): Terminal {
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  return { out: new Output(nowhere), err: { write: () => true }, input };
}
