/**
 * What becomes of a run that is ended from outside: killed at random moments it is resumed to the very same result, and
 * asked to stop it leaves a checkpoint. `npm run kill-test` is the same with a hundred kills.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileSha256 } from '../../src/checkpoint/index.ts';
import { Random } from '../../src/support/random.ts';
import { verifyCheckpoint } from '../../src/training/index.ts';
import { run } from '../cli/captured-terminal.ts';
import {
  BEGUN,
  bundledProgram,
  killAndResume,
  trainingCommands,
  type TrainingCommand,
} from './killed-runs.ts';

const directory = mkdtempSync(join(tmpdir(), 'bertram-killed-'));
let program: string;
let commands: ReadonlyMap<string, TrainingCommand>;
beforeAll(async () => {
  program = await bundledProgram('killed-runs-test');
  const all = await trainingCommands(join(directory, 'data'));
  commands = new Map(all.map((command) => [command.name, command]));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
  rmSync('out/killed-runs-test', { recursive: true, force: true });
});

describe.skipIf(process.platform === 'win32')('a run that is killed again and again (needs SIGKILL)', () => {
  it.each(['finetune', 'pretrain'])(
    '%s: ends with the weights, moments and log of one left alone',
    async (name) => {
      const seed = 20_261_125;
      const report = await killAndResume({
        ...{ program, command: commands.get(name)!, directory: join(directory, name) },
        ...{ kills: 3, random: new Random(seed, name) },
      });
      expect(report.kills).toBe(3);
      expect(report.completed).toBeGreaterThan(0);
    },
  );
});

describe.skipIf(process.platform === 'win32')('a run that is asked to stop (needs signals)', () => {
  /** Starts a run, and sends it a signal when it has begun to train. */
  async function stopped(name: string, output: string, signal: NodeJS.Signals, more: string[] = []) {
    const args = [...commands.get(name)!.args, ...more, '--output_dir', output];
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      const before = stderr;
      stderr += chunk.toString();
      if (BEGUN.test(stderr) && !BEGUN.test(before)) child.kill(signal);
    });
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { status, stdout, stderr };
  }
  const long = ['--num_train_epochs', '5000', '--save_steps', '0'];

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s: leaves a checkpoint, no results, and says how to go on',
    async (signal) => {
      const output = join(directory, signal);
      const { status, stdout, stderr } = await stopped('finetune', output, signal, [
        ...long,
        '--do_eval',
        '--validation_file',
        join(directory, 'data', 'squad.json'),
      ]);
      expect(stderr).toContain(`${signal}: stops with a checkpoint after this update`);
      const [, step] =
        /stopped after (\d+) updates, in checkpoint-\d+; to go on, --resume_from_checkpoint auto\n$/.exec(
          stderr,
        ) ?? [];
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
      const names = readdirSync(output);
      expect(names.filter((name) => name.startsWith('checkpoint-'))).toEqual([`checkpoint-${step}`]);
      for (const result of [
        'model.safetensors',
        'train_results.json',
        'trainer_state.json',
        'eval_results.json',
      ])
        expect(names).not.toContain(result);
      await verifyCheckpoint(join(output, `checkpoint-${step}`));
    },
  );

  it('in pretraining: goes on to the very result of one left alone', async () => {
    const output = join(directory, 'stopped-pretrain');
    const { status } = await stopped('pretrain', output, 'SIGTERM');
    expect(status).toBe(0);
    const undisturbed = join(directory, 'pretrain', 'undisturbed');
    expect(existsSync(join(output, 'train_results.json'))).toBe(false);
    const { exitCode } = await run([
      ...commands.get('pretrain')!.args,
      ...['--output_dir', output, '--resume_from_checkpoint'],
    ]);
    expect(exitCode).toBe(0);
    for (const file of ['model.safetensors', 'trainer_state.json'])
      expect(await fileSha256(join(output, file)), file).toBe(await fileSha256(join(undisturbed, file)));
  });
});
