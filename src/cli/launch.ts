/**
 * `bertram launch`: a command on several ranks, through Open MPI's `mpirun`.
 *
 * ```
 * bertram launch --nproc-per-node 2 -- finetune --model_name_or_path DIR --train_file train.json --do_train --output_dir OUT
 * bertram launch --nnodes 4 --nproc-per-node 8 --hostfile hosts --max-restarts 3 -- pretrain --data shards ...
 * ```
 */
import { Command } from 'commander';
import {
  mpirunCommand,
  MpirunOutput,
  RankRecords,
  requireMpirun,
  startMpirun,
} from '../distributed/index.ts';
import { shellCommand } from '../reports/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import { EXIT_DONE, EXIT_REQUEST_WRONG } from './command-failure.ts';
import { goesOnFromCheckpoints, rankTable, resumed } from './launch-report.ts';
import { given } from './model-options.ts';
import { positiveWhole, whole } from './option-values.ts';
import { STOP_SIGNAL } from './process-ranks.ts';
import type { Terminal } from './terminal.ts';

interface LaunchFlags {
  readonly nprocPerNode: number;
  readonly nnodes: number;
  readonly host?: string;
  readonly hostfile?: string;
  readonly mpirunOption?: readonly string[];
  readonly maxRestarts: number;
}

export function launchCommand(terminal: Terminal): Command {
  return new Command('launch')
    .argument('<command...>', 'a command of bertram and its options, after --')
    .option('--nproc-per-node <n>', 'ranks on each machine', positiveWhole, 1)
    .option('--nnodes <n>', 'machines', positiveWhole, 1)
    .option('--host <list>', 'the machines, as mpirun takes them: a:2,b:2')
    .option('--hostfile <file>', 'the same in a file')
    .option('--mpirun-option <option...>', 'given to mpirun as it is')
    .option('--max-restarts <n>', 'start a job that failed again, from its last checkpoint', whole, 0)
    .action((command: string[], flags: LaunchFlags) => launch(command, flags, terminal));
}

async function launch(typed: readonly string[], flags: LaunchFlags, terminal: Terminal): Promise<void> {
  let command = typed[0] === 'bertram' ? typed.slice(1) : typed;
  if (command[0] === undefined || command[0] === 'launch')
    badInput('launch', 'a command to run on each rank, after --', command[0] ?? 'none');
  if (flags.nnodes > 1 && flags.host === undefined && flags.hostfile === undefined && !hasScheduler())
    badInput('--nnodes', '--host or --hostfile, or to run in a job of Slurm', 'neither');
  await requireMpirun();
  for (let restarts = 0; ; restarts++) {
    const { exitCode, records, wasStopped, ownLines } = await runOnce(
      command,
      flags,
      terminal,
      restarts === 0,
    );
    if (exitCode === EXIT_DONE) return;
    const failed = records.firstToFail;
    if (failed?.exitCode === EXIT_REQUEST_WRONG)
      throw new BertramError('bad-input', `rank ${failed.rank} was given a wrong request`);
    if (failed === undefined) for (const line of ownLines) terminal.err.write(`${line}\n`);
    else terminal.err.write(rankTable(records.all, failed));
    const next = resumed(command);
    if (restarts === flags.maxRestarts || wasStopped) {
      if (goesOnFromCheckpoints(command))
        terminal.err.write(
          `to go on: ${shellCommand(['bertram', ...launchArguments(flags), '--', ...next])}\n`,
        );
      const what = failed === undefined ? 'mpirun failed' : `rank ${failed.rank} ended the job`;
      throw new BertramError('failed', restarts > 0 ? `${what}, after ${restarts} restarts` : what);
    }
    terminal.err.write(`restart ${restarts + 1} of ${flags.maxRestarts}: ${shellCommand(next)}\n`);
    command = next;
  }
}

const hasScheduler = (): boolean => process.env['SLURM_JOB_ID'] !== undefined;

interface Attempt {
  readonly exitCode: number | null;
  readonly records: RankRecords;
  /** Whether the user asked it to stop. */
  readonly wasStopped: boolean;
  /** What mpirun itself said. */
  readonly ownLines: readonly string[];
}

async function runOnce(
  command: readonly string[],
  { nprocPerNode, nnodes, host, hostfile, mpirunOption }: LaunchFlags,
  { out, err }: Terminal,
  isFirst: boolean,
): Promise<Attempt> {
  const { args, notes } = mpirunCommand({
    ranksPerNode: nprocPerNode,
    nodes: nnodes,
    ...given({ hosts: host, hostFile: hostfile, options: mpirunOption }),
    program: [process.execPath, ...process.execArgv, process.argv[1]!, ...command],
  });
  if (isFirst) for (const note of notes) err.write(`${note}\n`);
  const records = new RankRecords(nprocPerNode * nnodes);
  const ownLines: string[] = [];
  const writes: Promise<void>[] = [];
  const receiver = {
    onLine: (rank: number, stream: 'stdout' | 'stderr', line: string): void => {
      if (stream === 'stdout') writes.push(out.line(line).then(() => out.flush()));
      else {
        // What the others say after one has failed follows from that, or is the same once more.
        const isLate = records.firstToFail !== undefined && records.firstToFail.rank !== rank;
        if (records.readErrorLine(rank, line) && !isLate) err.write(`${line}\n`);
      }
    },
    onOwnLine: (line: string): void => {
      ownLines.push(line);
      records.readMpirunLine(line);
    },
  };
  const mpirun = startMpirun(args);
  for (const stream of [mpirun.stdout!, mpirun.stderr!]) {
    const output = new MpirunOutput(receiver);
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.write(text);
    });
    stream.on('end', () => {
      output.end();
    });
  }
  let requests = 0;
  // The first request lets ranks write a checkpoint; the second does not wait for that.
  const stop = (): void => void mpirun.kill(requests++ === 0 ? STOP_SIGNAL : 'SIGTERM');
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      mpirun.on('error', reject);
      mpirun.on('close', resolve);
    });
    await Promise.all(writes);
    return { exitCode, records, wasStopped: requests > 0, ownLines };
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** The options that were given, as they would be typed. */
function launchArguments(flags: LaunchFlags): string[] {
  const { nprocPerNode, nnodes, host, hostfile, maxRestarts } = flags;
  return [
    ...['launch', '--nproc-per-node', String(nprocPerNode)],
    ...(nnodes > 1 ? ['--nnodes', String(nnodes)] : []),
    ...(host === undefined ? [] : ['--host', host]),
    ...(hostfile === undefined ? [] : ['--hostfile', hostfile]),
    ...(maxRestarts > 0 ? ['--max-restarts', String(maxRestarts)] : []),
  ];
}
