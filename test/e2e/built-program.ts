/** The program as it is installed: `bin/bertram.js` over the compiled `dist/`, which is brought up to date first. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOCK = join(tmpdir(), 'bertram-build.lock');
const PATIENCE_MILLISECONDS = 120_000;

/** Compiles if a source is newer than the result. Test files in other processes wait for it. */
export async function buildIfStale(): Promise<void> {
  const began = Date.now();
  while (isStale()) {
    try {
      mkdirSync(LOCK);
    } catch {
      // A lock this old was left behind by a process that was killed.
      if (Date.now() - began > PATIENCE_MILLISECONDS) rmdirSync(LOCK);
      await sleep(200);
      continue;
    }
    try {
      execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
        stdio: 'pipe',
      });
    } finally {
      rmdirSync(LOCK);
    }
    return;
  }
}

function isStale(): boolean {
  const built = statSync('dist/cli/main.js', { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' });
  return sources.some((file) => file.endsWith('.ts') && statSync(join('src', file)).mtimeMs > built);
}

export interface ProcessResult {
  readonly exitCode: number | null;
  readonly out: string;
  readonly err: string;
}

export interface ProcessOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Close standard output after so many bytes, as `head` does. */
  readonly readBytes?: number;
}

export function bertram(args: readonly string[], options: ProcessOptions = {}): Promise<ProcessResult> {
  const child = spawn(process.execPath, ['bin/bertram.js', ...args], {
    env: { ...process.env, ...options.env },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (options.readBytes !== undefined && out.length >= options.readBytes) child.stdout.destroy();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, out, err }));
  });
}
