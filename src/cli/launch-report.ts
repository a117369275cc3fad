/** What `bertram launch` says of a job that failed: which rank, where, why, and how to go on. */
import { signalName, type RankRecord } from '../distributed/index.ts';

const HEADER = ['rank', 'host', 'pid', 'ended', 'last line of its errors'];
const RESUME = '--resume-from-checkpoint';
const LINE_LIMIT = 120;

/** A line for each rank, the one that failed first marked. */
export function rankTable(records: readonly RankRecord[], failed: RankRecord): string {
  const rows = records.map((record) => [
    `${record.rank}`,
    record.host ?? '?',
    `${record.pid ?? '?'}`,
    howEnded(record, failed),
    shortened(record.lastLine ?? ''),
  ]);
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return `${[HEADER, ...rows].map(line).join('\n')}\n`;
}

function howEnded(record: RankRecord, failed: RankRecord): string {
  const { rank, pid, exitCode, signal } = record;
  if (rank !== failed.rank) return pid === undefined ? 'was not started' : 'with the job';
  if (signal === undefined) return `first: exit status ${exitCode ?? '?'}`;
  const hint = signalName(signal) === 'SIGKILL' ? ', perhaps for want of memory' : '';
  return `first: killed by ${signalName(signal)}${hint}`;
}

function shortened(line: string): string {
  return line.length <= LINE_LIMIT ? line : `${line.slice(0, LINE_LIMIT)}…`;
}

/** Whether the command trains, and so can go on where it was. */
export function goesOnFromCheckpoints(command: readonly string[]): boolean {
  return command[0] === 'finetune' || command[0] === 'pretrain';
}

/** The same command, from its last checkpoint if there is one. What it was told to resume from is older. */
export function resumed(command: readonly string[]): string[] {
  if (!goesOnFromCheckpoints(command)) return [...command];
  const kept: string[] = [];
  for (let i = 0; i < command.length; i++) {
    const arg = command[i]!;
    const [name = arg] = arg.split('=');
    if (name.replaceAll('_', '-') !== RESUME) kept.push(arg);
    else if (arg === name && command[i + 1]?.startsWith('-') === false) i++;
  }
  return [...kept, RESUME, 'auto'];
}
