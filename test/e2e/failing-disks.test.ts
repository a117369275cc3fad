/** A disk that is full, a file system that is read-only and a directory that may not be written, as the system makes them. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileSha256 } from '../../src/checkpoint/index.ts';
import { listCheckpoints, verifyCheckpoint } from '../../src/training/index.ts';
import { run } from '../cli/captured-terminal.ts';
import { bundledProgram, trainingCommands, type TrainingCommand } from './killed-runs.ts';

const directory = mkdtempSync(join(tmpdir(), 'bertram-disks-'));
const disk = join(directory, 'disk');
const isRoot = process.getuid?.() === 0;
const mount = (...args: string[]): void => void execFileSync('mount', args, { stdio: 'pipe' });

/** A file system of its own, in memory. */
const canMount = ((): boolean => {
  mkdirSync(disk);
  try {
    mount('-t', 'tmpfs', '-o', 'size=400k', 'bertram-test', disk);
    return true;
  } catch {
    return false;
  }
})();

/** Permissions do not bind root, who becomes somebody else for the test that needs them. */
const account = isRoot ? { uid: 65534, gid: 65534 } : {};
/** A checkout below a directory of root's own cannot be read by others. */
const canReadProgram =
  spawnSync(process.execPath, ['-e', 'fs.readdirSync(process.argv[1])', resolve('src')], account).status ===
  0;

let finetune: TrainingCommand;
beforeAll(async () => {
  chmodSync(directory, 0o755);
  finetune = (await trainingCommands(join(directory, 'data'))).find(({ name }) => name === 'finetune')!;
});
afterAll(() => {
  if (canMount) execFileSync('umount', [disk]);
  rmSync(directory, { recursive: true, force: true });
});

/** All checkpoints are kept, so that they fill a disk. */
const train = (output: string) =>
  run([
    ...finetune.args,
    '--save_total_limit',
    '99',
    '--output_dir',
    output,
    '--resume_from_checkpoint',
    'auto',
  ]);

async function wholeCheckpoints(output: string): Promise<number> {
  const checkpoints = await listCheckpoints(output);
  for (const checkpoint of checkpoints) await verifyCheckpoint(checkpoint);
  return checkpoints.length;
}

describe.skipIf(!canMount)('a file system (needs the right to mount one)', () => {
  it('that is full ends the run with one line, and the run goes on when there is room', async () => {
    const output = join(disk, 'run');
    const full = await train(output);
    expect(full.exitCode).toBe(1);
    const last = full.err.trimEnd().split('\n').at(-1);
    expect(last).toMatch(
      /^bertram finetune: \S+\/checkpoint-\d+: cannot be written: no space left on device \(ENOSPC\)$/,
    );
    expect(await wholeCheckpoints(output)).toBeGreaterThan(0);
    expect(readdirSync(output).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readdirSync(output)).not.toContain('model.safetensors');

    mount('-o', 'remount,size=64m', disk);
    const resumed = await train(output);
    expect(resumed.err).toContain('updates, resumed at ');
    expect(resumed.exitCode).toBe(0);
    const undisturbed = join(directory, 'undisturbed');
    expect((await train(undisturbed)).exitCode).toBe(0);
    for (const file of ['model.safetensors', 'trainer_state.json'])
      expect(await fileSha256(join(output, file)), file).toBe(await fileSha256(join(undisturbed, file)));
  });

  it('that is read-only is refused before any work', async () => {
    mount('-o', 'remount,ro', disk);
    const { exitCode, err } = await train(join(disk, 'other'));
    mount('-o', 'remount,rw', disk);
    expect(exitCode).toBe(2);
    expect(err.trimEnd().split('\n').at(-1)).toMatch(
      /^bertram finetune: --output_dir: \S+\/other: cannot be written: read-only file system \(EROFS\)$/,
    );
  });
});

const cannotTell = process.platform === 'win32' || !canReadProgram;
describe.skipIf(cannotTell)(
  'a directory without the right to write into it (needs a checkout that others may read)',
  () => {
    it('is refused before any work, by the account of another user where we are root', async () => {
      const output = join(directory, 'forbidden');
      mkdirSync(output);
      chmodSync(output, 0o555);
      const program = await bundledProgram('failing-disks-test');
      const args = [program, ...finetune.args, '--output_dir', output];
      const child = spawn(process.execPath, args, {
        ...account,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const status = await new Promise((resolve) => child.on('close', resolve));
      rmSync(resolve('out/failing-disks-test'), { recursive: true });
      expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
        /^bertram finetune: --output_dir: \S+\/forbidden: cannot be written: permission denied \(EACCES\)$/,
      );
      expect(status).toBe(2);
      expect(readdirSync(output)).toEqual([]);
    });
  },
);
