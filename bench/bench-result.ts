/** What every benchmark returns: our side and the peer's, measured in turns in one run on one machine. */
import { spawnSync } from 'node:child_process';
import { BertramError } from '../src/support/errors.ts';

export interface BenchResult {
  readonly name: string;
  /** Median of our runs, in `unit`. */
  readonly ours: number;
  /** Median of the peer's runs, in `unit`. */
  readonly peer: number;
  readonly unit: string;
  /** How many times better ours is. */
  readonly ratio: number;
  /** Every single run, with what else tells how far to trust it. */
  readonly runs: unknown[];
}

/**
 * A Python that can import the named modules: the one named by BERTRAM_PEER_PYTHON, or else `python3`. Undefined if
 * there is none.
 */
export function peerPython(...modules: string[]): string | undefined {
  const python = process.env['BERTRAM_PEER_PYTHON'] ?? 'python3';
  const probe = spawnSync(python, ['-c', `import ${['sys', ...modules].join(', ')}`], { stdio: 'ignore' });
  return probe.status === 0 ? python : undefined;
}

/** What the packages of modules are called, where that is something else. */
const PACKAGES: Readonly<Record<string, string>> = { sklearn: 'scikit-learn' };

/** @throws BertramError `not-found` where there is no such Python */
export function requirePeer(bench: string, ...modules: string[]): string {
  const python = peerPython(...modules);
  if (python !== undefined) return python;
  const names = modules.map((module) => PACKAGES[module] ?? module).join(' and ');
  const expected = `expected ${names} in BERTRAM_PEER_PYTHON or python3`;
  throw new BertramError('not-found', `bench ${bench}: ${expected}`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
