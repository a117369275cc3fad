/**
 * What `bertram launch` knows of each rank: where it runs and how it ended, told by the rank itself in lines among its
 * errors, and by mpirun where the rank could not.
 */
import { writeSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import type { Environment } from './rank-environment.ts';

/** Set by `bertram launch` for its ranks. */
export const LAUNCHED = 'BERTRAM_LAUNCHED';
/** A record separator, which no line of text begins with. */
const MARK = '\u001ebertram-rank ';
const STANDARD_ERROR = 2;

export interface RankRecord {
  readonly rank: number;
  readonly host?: string;
  readonly pid?: number;
  readonly exitCode?: number;
  readonly signal?: number;
  /** Of its standard error. */
  readonly lastLine?: string;
}

/** Tells whoever launched this process, if that is `bertram launch`, where it runs, and at its end how it ended. */
export function announceRank(env: Environment = process.env): void {
  if (env[LAUNCHED] === undefined) return;
  const tell = (fields: object): void => {
    writeSync(STANDARD_ERROR, `${MARK}${JSON.stringify(fields)}\n`);
  };
  tell({ host: env['PMIX_HOSTNAME'] ?? hostname(), pid: process.pid });
  process.once('exit', (exitCode) => {
    tell({ exitCode });
  });
}

export class RankRecords {
  readonly #records = new Map<number, RankRecord>();
  #firstToFail: number | undefined;

  constructor(size: number) {
    for (let rank = 0; rank < size; rank++) this.#records.set(rank, { rank });
  }

  get all(): readonly RankRecord[] {
    return [...this.#records.values()].sort((a, b) => a.rank - b.rank);
  }

  /** The rank that failed before any other, if one did. */
  get firstToFail(): RankRecord | undefined {
    return this.#firstToFail === undefined ? undefined : this.#records.get(this.#firstToFail);
  }

  /** @returns whether the line is one for people, and no announcement */
  readErrorLine(rank: number, line: string): boolean {
    if (!line.startsWith(MARK)) {
      this.#note(rank, { lastLine: line });
      return true;
    }
    const fields = JSON.parse(line.slice(MARK.length)) as Partial<RankRecord>;
    this.#note(rank, fields);
    if ((fields.exitCode ?? 0) !== 0) this.#firstToFail ??= rank;
    return false;
  }

  /** `mpirun noticed that process rank 1 with PID 0 on node b exited on signal 9 (Killed).` */
  readMpirunLine(line: string): void {
    const match = /process rank (\d+) with PID \d+ on node (\S+) exited on signal (\d+)/.exec(line);
    if (match === null) return;
    const [, rank, host, signal] = match;
    this.#note(Number(rank), { host: host!, signal: Number(signal) });
    this.#firstToFail ??= Number(rank);
  }

  #note(rank: number, fields: Partial<RankRecord>): void {
    this.#records.set(rank, { rank, ...this.#records.get(rank), ...fields });
  }
}

/** `SIGKILL` for 9. */
export function signalName(signal: number): string {
  const found = Object.entries(constants.signals).find(([, number]) => number === signal);
  return found?.[0] ?? `signal ${signal}`;
}
