/** `bertram launch`: what it starts, what it says of a rank that dies, restarts, and signals; and what it refuses. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { goesOnFromCheckpoints, resumed } from '../../src/cli/launch-report.ts';
import { shellCommand } from '../../src/reports/index.ts';
import { mpirunCommand, MpirunOutput, rankCount } from '../../src/distributed/index.ts';
import { loadMpi } from '../../src/distributed/mpi-library.ts';
import { buildIfStale, type ProcessResult } from '../e2e/built-program.ts';
import { hasMpirun, mpirunEnvironment } from './mpirun.ts';
import { bertram, finetuneArguments, pidOfRank, program, writeQuestions } from './ranks.ts';

let directory: string;
let questions: string;
const inside = (...path: string[]): string => join(directory, ...path);

beforeAll(buildIfStale, 180_000);
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bertram-launch-'));
  questions = writeQuestions(directory);
});

/** A run that would take minutes. */
const long = (output: string): string[] => [
  ...finetuneArguments(questions, inside(output), '--num_train_epochs', '100000'),
  ...['--logging_steps', '20', '--save_steps', '20', '--save_total_limit', '2'],
];

/** Launches two ranks, does something when the first checkpoint of each attempt has been written, and waits for the end. */
async function launched(
  args: readonly string[],
  onCheckpoint: (launcher: number) => void,
): Promise<ProcessResult> {
  const child = spawn(process.execPath, [...program, 'launch', '--nproc-per-node', '2', ...args], {
    env: { ...process.env, ...mpirunEnvironment },
  });
  let [out, err, handled] = ['', '', 0];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    const attempt = err.split(/^restart \d+ of/m)[handled];
    if (attempt === undefined || !/checkpoint-\d+ written/.test(attempt)) return;
    handled += 1;
    onCheckpoint(child.pid!);
  });
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exitCode, out, err };
}

const canLaunch = hasMpirun && process.platform === 'linux';

describe.skipIf(!canLaunch)('bertram launch (skipped without mpirun)', () => {
  it('says which rank died and why, starts again from the last checkpoint, and says how to go on', async () => {
    const output = inside('killed');
    const { exitCode, err } = await launched(['--max-restarts', '1', '--', ...long('killed')], () => {
      process.kill(pidOfRank(1, output), 'SIGKILL');
    });
    expect(exitCode).toBe(1);
    const [first, second] = err.split('restart 1 of 1: ') as [string, string];
    expect(first).toMatch(/^rank +host +pid +ended +last line of its errors$/m);
    expect(first).toMatch(/^0 +\S+ +\d+ +with the job/m);
    expect(first).toMatch(/^1 +\S+ +\d+ +first: killed by SIGKILL/m);
    expect(second).toMatch(/^finetune .* --resume-from-checkpoint auto$/m);
    const step = Number(/updates, resumed at (\d+)/.exec(second)?.[1]);
    expect(step).toBeGreaterThanOrEqual(20);
    expect(second).toMatch(
      /^to go on: bertram launch --nproc-per-node 2 --max-restarts 1 -- finetune .* auto$/m,
    );
    expect(second.trimEnd()).toMatch(/rank 1 ended the job, after 1 restarts$/);
  });

  it('SIGTERM stops all ranks after the same update, with a checkpoint and exit status 0', async () => {
    const { exitCode, err } = await launched(['--', ...long('stopped')], (launcher) => {
      process.kill(launcher, 'SIGTERM');
    });
    const step = Number(/stopped after (\d+) updates/.exec(err)?.[1]);
    expect(readdirSync(inside('stopped'))).toContain(`checkpoint-${step}`);
    expect(err).not.toContain('last line');
    expect(exitCode).toBe(0);
  });

  it('tells a wrong request once, and does not start it again', async () => {
    const args = ['launch', '--nproc-per-node', '2', '--max-restarts', '2', '--', 'finetune', '--bogus'];
    const { exitCode, err } = await bertram(args, mpirunEnvironment);
    expect(exitCode).toBe(2);
    expect(err.match(/got --bogus/g)).toHaveLength(1);
    expect(err).not.toContain('restart');
  });
});

describe('what launch asks mpirun for', () => {
  const request = { ranksPerNode: 3, nodes: 1, program: ['node', 'x'] };
  it.each([
    ['a user', request, { cores: 4, isRoot: false }, '--tag-output -n 3 --bind-to none', 0],
    [
      'root on few cores',
      request,
      { cores: 2, isRoot: true },
      '--tag-output -n 3 --bind-to none --oversubscribe --allow-run-as-root',
      2,
    ],
    [
      'two machines',
      { ...request, nodes: 2, hosts: 'a:3,b:3' },
      { cores: 2, isRoot: false },
      '--tag-output -n 6 --bind-to none --host a:3,b:3 --map-by ppr:3:node',
      0,
    ],
  ])('as %s', (_, request, machine, args, notes) => {
    const command = mpirunCommand(request, machine);
    expect(command.args.join(' ')).toBe(`${args} -x BERTRAM_LAUNCHED=1 node x`);
    expect(command.notes).toHaveLength(notes);
  });
});

describe("mpirun's output", () => {
  const text = [
    '[7,0]<stdout>:one\n[7,1]<stderr>:two\nmpirun noticed\n',
    '[7,0]<stdout>:be[7,1]<stdout>:whole\n[7,0]<stdout>:g[7,0]<stdout>:un\n[7,12]<stderr>:\n[7,0]<stderr>:open',
  ].join('');
  const expected = ['0 stdout one', '1 stderr two', 'mpirun noticed', '1 stdout whole', '0 stdout begun'];

  it.each([1, 3, 1000])('is taken apart by ranks, in pieces of %i characters', (size) => {
    const lines: string[] = [];
    const output = new MpirunOutput({
      onLine: (rank, stream, line) => lines.push(`${rank} ${stream} ${line}`),
      onOwnLine: (line) => lines.push(line),
    });
    for (let i = 0; i < text.length; i += size) output.write(text.slice(i, i + size));
    output.end();
    expect(lines).toEqual([...expected, '12 stderr ', '0 stderr open']);
  });
});

describe('a command that is started again', () => {
  it.each([
    ['finetune --a b', 'finetune --a b --resume-from-checkpoint auto'],
    ['finetune --resume_from_checkpoint x/checkpoint-3 --a', 'finetune --a --resume-from-checkpoint auto'],
    ['pretrain --resume-from-checkpoint=x --a', 'pretrain --a --resume-from-checkpoint auto'],
    ['finetune --resume-from-checkpoint --a b', 'finetune --a b --resume-from-checkpoint auto'],
    ['evaluate --a b', 'evaluate --a b'],
  ])('%s', (command, expected) => {
    expect(resumed(command.split(' ')).join(' ')).toBe(expected);
    expect(goesOnFromCheckpoints(command.split(' '))).toBe(expected.endsWith('auto'));
  });

  it('is shown as a shell reads it', () => {
    expect(shellCommand(['a', "it's b", '', '--x=1'])).toBe(`a 'it'\\''s b' '' --x=1`);
  });
});

describe('the environment of ranks', () => {
  it.each([
    ['alone', {}, 1],
    ['mpirun', { OMPI_COMM_WORLD_SIZE: '3', WORLD_SIZE: '3', RANK: '0' }, 3],
    ['srun with PMIx', { SLURM_STEP_NUM_TASKS: '4', PMIX_RANK: '2' }, 4],
    ['torchrun with one process', { WORLD_SIZE: '1', RANK: '0', LOCAL_RANK: '0' }, 1],
    ['a batch script of Slurm', { SLURM_NTASKS: '4', SLURM_PROCID: '0' }, 1],
  ])('%s', (_, env, size) => {
    expect(rankCount(env)).toBe(size);
  });

  it.each([
    ['torchrun', { WORLD_SIZE: '2', RANK: '1' }, /^WORLD_SIZE=2 without MPI.*bertram launch/],
    ['srun without PMIx', { SLURM_STEP_NUM_TASKS: '4' }, /srun --mpi=pmix/],
    ['MPICH', { PMI_SIZE: '2', PMI_RANK: '0' }, /MPICH/],
  ])('of %s is refused', (_, env, message) => {
    expect(() => rankCount(env)).toThrow(message);
  });

  it('without the library names the package', () => {
    expect(() => loadMpi(['libnone.so.40'])).toThrow(
      /expected libnone\.so\.40, got none; install it \(Debian, Ubuntu: apt install openmpi-bin/,
    );
  });

  it('without mpirun names the package, with exit status 2', async () => {
    const args = ['launch', '--nproc-per-node', '2', '--', 'finetune'];
    const { exitCode, err } = await bertram(args, { PATH: '/nowhere' });
    expect(err).toMatch(
      /^bertram launch: .*got none; install it \(Debian, Ubuntu: apt install openmpi-bin.*\n$/,
    );
    expect(exitCode).toBe(2);
  });

  it('of torchrun is refused in one line, with exit status 2', async () => {
    const { exitCode, err } = await bertram(finetuneArguments(questions, inside('torchrun')), {
      WORLD_SIZE: '2',
      RANK: '0',
    });
    expect(err).toMatch(/^bertram finetune: WORLD_SIZE=2 without MPI, as of torchrun: .*\n$/);
    expect(exitCode).toBe(2);
  });
});

/** Another MPI would be called with the wrong pointers: it is known by what it lacks. */
describe.skipIf(process.platform !== 'linux')('another library', () => {
  it('is refused by name', () => {
    expect(() => loadMpi(['libm.so.6'])).toThrow(/MPI: expected Open MPI .*, got another library/);
  });
});
