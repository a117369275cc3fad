/** Small data, commands on one process and on several ranks, and what they have written. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { readSafetensorsFloats } from './weights.ts';
import { ended, mpirun } from './mpirun.ts';
import type { ProcessResult } from '../e2e/built-program.ts';

/** `bertram` as it is installed; `buildIfStale` brings it up to date. */
export const program = ['bin/bertram.js'];

export function bertram(
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<ProcessResult> {
  return ended(process.execPath, [...program, ...args], env);
}

export function bertramOn(ranks: number, args: readonly string[]): Promise<ProcessResult> {
  return mpirun(ranks, [...program, ...args]);
}

/** A rank whose command has this output directory. Linux tells the environment of a process. */
export function pidOfRank(rank: number, output: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (environment.includes(`OMPI_COMM_WORLD_RANK=${rank}`) && command.includes(output))
        return Number(pid);
    } catch {
      continue; // it has ended meanwhile
    }
  }
  throw new Error(`no rank ${rank}`);
}

/** Seven questions of four lengths: batches of 4 leave 3, of which two ranks have 1 and 2. */
export function writeQuestions(directory: string): string {
  const context = 'In 1821 Ada came first, and Bob was second.';
  const qas = ['Ada', 'Bob', '1821', 'second', 'came', 'first', 'was'].map((text, i) => ({
    id: `question-${i}`,
    question: `Who or what ${'or '.repeat(i % 4)}?`,
    answers: [{ text, answer_start: context.indexOf(text) }],
  }));
  const path = join(directory, 'set.json');
  writeFileSync(path, JSON.stringify({ data: [{ title: 't', paragraphs: [{ context, qas }] }] }));
  return path;
}

export function finetuneArguments(file: string, output: string, ...more: readonly string[]): string[] {
  return [
    ...['finetune', '--model_name_or_path', goldenModel, '--train_file', file, '--do_train'],
    ...['--output_dir', output, '--max_seq_length', '48', '--doc_stride', '16', '--learning_rate', '3e-3'],
    ...['--dropout', '0', '--logging_steps', '1', '--save_steps', '0', '--threads', '1', ...more],
  ];
}

export interface RunResult {
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** What a run has left in its output directory. */
export function resultOf(output: string): RunResult {
  const state = JSON.parse(readFileSync(join(output, 'trainer_state.json'), 'utf8')) as {
    log_history: { loss?: number; grad_norm?: number }[];
  };
  const numbers = (name: 'loss' | 'grad_norm') => state.log_history.flatMap((entry) => entry[name] ?? []);
  return {
    losses: numbers('loss'),
    gradientNorms: numbers('grad_norm'),
    weights: readSafetensorsFloats(join(output, 'model.safetensors')),
  };
}

/** Parameters that shift all scores of a softmax alike: their gradients are rounding errors, which Adam makes large. */
export const WITHOUT_GRADIENT = /key\.bias$|^qa_outputs\.bias$|layer\.1\.output\.LayerNorm\.bias$/;

/** The largest difference of two runs' losses, relative to them. */
export function lossDifference(a: RunResult, b: RunResult): number {
  if (a.losses.length !== b.losses.length) return NaN;
  return Math.max(...a.losses.map((loss, i) => Math.abs(loss - b.losses[i]!) / Math.abs(loss)));
}

/** The largest difference of two runs' weights, each tensor's relative to the largest of its numbers. */
export function weightDifference(a: RunResult, b: RunResult, except = /^$/): number {
  let largest = 0;
  for (const [name, values] of a.weights) {
    if (except.test(name)) continue;
    const others = b.weights.get(name)!;
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (let i = 0; i < values.length; i++)
      largest = Math.max(largest, Math.abs(values[i]! - others[i]!) / scale);
  }
  return largest;
}
