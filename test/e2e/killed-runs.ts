/**
 * Runs that are killed at random moments and resumed until they end, beside one that is left alone. Used by a test with
 * a handful of kills, and by `npm run kill-test` with as many as one likes.
 *
 * A run is `kill -9`ed either while it starts up, or some time after its first update, when it spends most of its time
 * writing checkpoints. After every kill, the checkpoints that are there must all be as they were written, and the newest
 * must be no older than the newest before. At the end, weights, moments and log must be those of the run left alone.
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { fileSha256 } from '../../src/checkpoint/index.ts';
import type { Random } from '../../src/support/random.ts';
import { listCheckpoints, verifyCheckpoint } from '../../src/training/index.ts';
import { run } from '../cli/captured-terminal.ts';

const MODEL = resolve('test/golden/bert');

/** What a run says when it begins to train. */
export const BEGUN = /(windows|examples), \d+ updates/;

/** A command that trains, without its output directory. */
export interface TrainingCommand {
  readonly name: string;
  readonly args: readonly string[];
}

export interface KillOptions {
  /** The program, as `bundledProgram` makes it. */
  readonly program: string;
  readonly command: TrainingCommand;
  /** A directory of its own. */
  readonly directory: string;
  readonly kills: number;
  /** Decides the moments. */
  readonly random: Random;
  readonly onKill?: (report: KillReport) => void;
}

export interface KillReport {
  kills: number;
  /** Of them, before the first update. */
  duringStart: number;
  /** Of them, such that a checkpoint was left half written. */
  duringWriting: number;
  /** Runs that came to their end, each compared with the one left alone. */
  completed: number;
}

/** The program in one directory, as its sources are now: whoever changes them meanwhile changes nothing. */
export async function bundledProgram(name: string): Promise<string> {
  // Two levels below the project's root, as `dist/cli` is, and inside it, so that its packages are found.
  const outdir = resolve('out', name);
  await rm(outdir, { recursive: true, force: true });
  await build({
    stdin: {
      contents: `import { main } from './src/cli/main.ts';\nprocess.exitCode = await main(process.argv.slice(2));`,
      resolveDir: process.cwd(),
      sourcefile: 'program.ts',
    },
    ...{ outdir, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20' },
    ...{ packages: 'external', external: ['#onnxruntime'], outExtension: { '.js': '.mjs' } },
  });
  return join(outdir, 'stdin.mjs');
}

/** Small data, and the two commands over them: 24 updates each, with dropout, shuffling and an uneven log. */
export async function trainingCommands(directory: string): Promise<TrainingCommand[]> {
  await mkdir(directory, { recursive: true });
  const inside = (...path: string[]): string => join(directory, ...path);
  const words = ['Ada', 'Bob', '1821', 'second', 'first', 'came', 'was', 'In'];
  const context = 'In 1821 Ada came first, and Bob was second.';
  const qas = Array.from({ length: 16 }, (_, i) => {
    const text = words[i % words.length]!;
    const question = `Who or what ${'abcdefghijklmnop'[i]!}?`;
    return { id: `question-${i}`, question, answers: [{ text, answer_start: context.indexOf(text) }] };
  });
  const squad = { data: [{ title: 't', paragraphs: [{ context, qas }] }] };
  await writeFile(inside('squad.json'), JSON.stringify(squad));
  const text = Array.from({ length: 40 }, (_, i) => {
    const letter = String.fromCharCode(97 + (i % 26));
    return `One ${letter} two ${letter}${letter}. Then ${i} came. So we ${letter} on, and on.\n`.repeat(4);
  });
  await writeFile(inside('corpus.txt'), text.join('\n'));
  const prepared = await run([
    ...['prepare', '--input', inside('corpus.txt'), '--output', inside('shards'), '--workers', '1'],
    ...['--vocab', join(MODEL, 'vocab.txt'), '--max-seq-length', '32', '--max-predictions-per-seq', '5'],
    ...['--held-out', '0.1'],
  ]);
  if (prepared.exitCode !== 0) throw new Error(prepared.err);
  const finetune = [
    ...['finetune', '--model_name_or_path', MODEL, '--train_file', inside('squad.json'), '--do_train'],
    ...['--max_seq_length', '96', '--doc_stride', '16', '--per_device_train_batch_size', '1'],
    ...['--gradient_accumulation_steps', '2', '--num_train_epochs', '3', '--learning_rate', '1e-3'],
    ...['--save_steps', '1', '--save_total_limit', '2', '--logging_steps', '7', '--threads', '1'],
  ];
  const pretrain = [
    ...['pretrain', '--data', inside('shards'), '--config', join(MODEL, 'config.json'), '--json'],
    ...['--train_batch_size', '4', '--num_train_steps', '24', '--learning_rate', '1e-3', '--do_eval'],
    ...[
      '--max_eval_examples',
      '9',
      '--eval_steps',
      '6',
      '--save_checkpoints_steps',
      '2',
      '--logging_steps',
      '7',
      '--threads',
      '1',
    ],
    ...['--group_by_length'],
  ];
  return [
    { name: 'finetune', args: finetune },
    { name: 'pretrain', args: pretrain },
  ];
}

/** @throws Error saying what was lost, or how a run that was killed ended otherwise */
export async function killAndResume(options: KillOptions): Promise<KillReport> {
  const { command, directory, kills, onKill } = options;
  const report: KillReport = { kills: 0, duringStart: 0, duringWriting: 0, completed: 0 };
  const reference = join(directory, 'undisturbed');
  const whole = await attempt(options, reference);
  if (whole.status !== 0) throw new Error(`${command.name}, undisturbed: ${whole.stderr}`);
  const expected = await resultOf(reference);
  while (report.kills < kills || report.completed === 0) {
    const output = join(directory, `killed-${report.completed}`);
    await runWithKills(options, output, report, onKill);
    const got = await resultOf(output);
    for (const [name, value] of expected)
      if (got.get(name) !== value)
        throw new Error(`${output}: expected ${name} ${value}, as undisturbed, got ${got.get(name)}`);
    if (got.size !== expected.size) throw new Error(`${output}: expected ${expected.size} results`);
    report.completed += 1;
    await rm(output, { recursive: true });
  }
  return report;
}

/** One run to its end, through kills as long as there are any left. */
async function runWithKills(
  options: KillOptions,
  output: string,
  report: KillReport,
  onKill: KillOptions['onKill'],
): Promise<void> {
  let newest = 0;
  for (;;) {
    const isLast = report.kills >= options.kills;
    const { status, stderr, hasBegun } = await attempt(options, output, isLast ? undefined : options.random);
    if (status === 0) return;
    if (status !== undefined) throw new Error(`${output}: exit status ${status}: ${stderr}`);
    if (stderr.includes('damaged')) throw new Error(`${output}: ${stderr}`);
    report.kills += 1;
    if (!hasBegun) report.duringStart += 1;
    const names = await readdir(output).catch(() => []);
    if (names.some((name) => name.startsWith('.partial-'))) report.duringWriting += 1;
    const checkpoints = await listCheckpoints(output);
    for (const checkpoint of checkpoints) await verifyCheckpoint(checkpoint);
    const now = stepOf(checkpoints.at(-1));
    if (now < newest) throw new Error(`${output}: expected checkpoint-${newest} or a later one, got ${now}`);
    newest = now;
    onKill?.(report);
  }
}

interface Attempt {
  /** Undefined where it was killed. */
  readonly status: number | undefined;
  readonly stderr: string;
  /** Whether it had begun to train. */
  readonly hasBegun: boolean;
}

/** Starts or resumes a run. With `random`, it is killed: one time in six while it starts up. */
async function attempt({ program, command }: KillOptions, output: string, random?: Random): Promise<Attempt> {
  const args = [...command.args, '--output_dir', output, '--resume_from_checkpoint', 'auto'];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  let hasBegun = false;
  const begun = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (!BEGUN.test(stderr)) return;
      hasBegun = true;
      resolve();
    });
  });
  const ended = new Promise<number | undefined>((resolve) => {
    child.on('close', (code) => resolve(code ?? undefined));
  });
  if (random !== undefined) {
    const atStart = random.nextInteger(6) === 0;
    const milliseconds = random.nextInteger(atStart ? 400 : 250);
    await Promise.race([ended, atStart ? Promise.resolve() : begun]);
    await Promise.race([ended, sleep(milliseconds)]);
    child.kill('SIGKILL');
  }
  return { status: await ended, stderr, hasBegun };
}

/** What two runs must have alike: weights, moments, and the log. */
async function resultOf(output: string): Promise<ReadonlyMap<string, string>> {
  const last = (await listCheckpoints(output)).at(-1)!;
  const results = new Map<string, string>();
  for (const file of ['model.safetensors', 'trainer_state.json'])
    results.set(file, await fileSha256(join(output, file)));
  for (const file of ['model.safetensors', 'optimizer.safetensors', 'trainer_state.json', 'run_state.json'])
    results.set(`${basename(last)}/${file}`, await fileSha256(join(last, file)));
  const result = JSON.parse(await readFile(join(output, 'train_results.json'), 'utf8')) as object;
  const lasting = Object.entries(result).filter(([name]) => !/runtime|per_second/.test(name));
  return results.set('train_results.json', JSON.stringify(lasting));
}

const stepOf = (checkpoint: string | undefined): number =>
  checkpoint === undefined ? 0 : Number(/\d+$/.exec(checkpoint)![0]);
