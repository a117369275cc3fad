/** Several ranks of one program under `mpirun`, where the machine has it. */
import { execFileSync, spawn } from 'node:child_process';
import type { ProcessResult } from '../e2e/built-program.ts';

/** As root, and with more ranks than cores: a test may, and what is measured does not depend on it. */
export const mpirunEnvironment = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
};
const OPTIONS = ['--oversubscribe', '--bind-to', 'none'];

export const hasMpirun = canRun('mpirun', '--version');

export function canRun(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** @param program a JavaScript file or, with the loader that runs TypeScript, a TypeScript file, and its arguments */
export function mpirun(
  ranks: number,
  program: readonly string[],
  env: Readonly<Record<string, string>> = {},
  options: readonly string[] = OPTIONS,
): Promise<ProcessResult> {
  return ended('mpirun', ['-n', String(ranks), ...options, process.execPath, ...program], env);
}

export function ended(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProcessResult> {
  const child = spawn(command, args, { env: { ...process.env, ...mpirunEnvironment, ...env } });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end();
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, out, err }));
  });
}
