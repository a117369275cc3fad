/** The report of a command that trains: what it is told of the command, and how it ends when the command does. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashedFile, RunReport, shellCommand, type HashedFile, type Settings } from '../reports/index.ts';
import { messageOf } from '../support/errors.ts';
import { TrainingStopped, type TrainingEvent } from '../training/index.ts';
import type { TrainingReporter } from './training-reporter.ts';

export interface RecordingOptions {
  readonly outputDir: string;
  /** What is trained: `question answering`. */
  readonly task: string;
  /** What the command was asked. */
  readonly flags: object & { readonly ranks?: { readonly size: number } };
  /** Files that training reads, by what they are to it. */
  readonly files: readonly (readonly [role: string, path: string])[];
  /** Whether the run may go on with what is in its directory. */
  readonly resumes: boolean;
  readonly threads?: number | undefined;
  readonly reporter: TrainingReporter;
}

/**
 * Does the work of a run while its report is kept, and prints what it tells.
 *
 * @param work is given what to tell of the events
 */
export async function recorded<Result>(
  { outputDir, task, flags, files, resumes, threads, reporter }: RecordingOptions,
  work: (onEvent: (event: TrainingEvent) => void) => Promise<Result>,
): Promise<Result> {
  const read: HashedFile[] = [];
  for (const [role, path] of files) read.push(await hashedFile(role, path));
  const report = await RunReport.open(
    {
      ...{ outputDir, task, files: read },
      configuration: { ...settingsOf(flags), ranks: String(flags.ranks?.size ?? 1) },
      command: shellCommand(['bertram', ...process.argv.slice(2)]),
      ...(threads === undefined ? {} : { threads }),
      warn: (text) => reporter.warn(text),
    },
    resumes,
  );
  try {
    const result = await work((event) => {
      reporter.report(event);
      report.record(event);
    });
    const weights = await Promise.all(
      (await weightFiles(outputDir)).map((path) => hashedFile('trained weights', path)),
    );
    await report.close('finished', weights);
    return result;
  } catch (error) {
    if (!(error instanceof TrainingStopped)) report.note(messageOf(error));
    await report.close(error instanceof TrainingStopped ? 'stopped' : 'failed');
    throw error;
  } finally {
    reporter.end();
  }
}

/** The files of a model directory that hold weights: safetensors, PyTorch's and TensorFlow's. */
export async function weightFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((name) => /\.(safetensors|bin|data-\d+-of-\d+)$/.test(name) && name !== 'optimizer.safetensors')
    .sort()
    .map((name) => join(directory, name));
}

/** Flags by the names that users type, with values as they type them. */
function settingsOf(flags: object): Settings {
  const named = Object.entries(flags).flatMap(([name, value]: [string, unknown]) => {
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (!['string', 'number', 'boolean'].includes(typeof text)) return [];
    return [[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), String(text)]];
  });
  return Object.fromEntries(named) as Settings;
}
