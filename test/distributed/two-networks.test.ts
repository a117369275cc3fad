/**
 * Ranks on two machines, as far as one machine can be two: network namespaces that a virtual cable connects. mpirun
 * starts its daemon in the other one through a stand-in for ssh.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildIfStale } from '../e2e/built-program.ts';
import { canRun, ended, hasMpirun } from './mpirun.ts';
import { bertram, finetuneArguments, lossDifference, program, resultOf, writeQuestions } from './ranks.ts';

const [A, B] = [`bertram-a-${process.pid}`, `bertram-b-${process.pid}`];
const NETWORK = '10.99.77.0/24';
const HOSTS = { [A]: '10.99.77.1', [B]: '10.99.77.2' };

const ip = (...args: readonly string[]): Buffer => execFileSync('ip', args, { stdio: 'pipe' });

/** Only root may make namespaces, and not in every container. */
function canMakeNamespaces(): boolean {
  if (!canRun('ip', 'netns', 'add', A)) return false;
  ip('netns', 'del', A);
  return true;
}
const isPossible = process.platform === 'linux' && hasMpirun && canMakeNamespaces();

describe.skipIf(!isPossible)('ranks in two network namespaces (skipped without root, ip or mpirun)', () => {
  let directory: string;
  beforeAll(buildIfStale, 180_000);
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'bertram-networks-'));
    for (const name of [A, B]) ip('netns', 'add', name);
    ip('link', 'add', 'bertram-a', 'netns', A, 'type', 'veth', 'peer', 'name', 'bertram-b', 'netns', B);
    for (const [name, device] of [
      [A, 'bertram-a'],
      [B, 'bertram-b'],
    ] as const) {
      ip('-n', name, 'addr', 'add', `${HOSTS[name]!}/24`, 'dev', device);
      for (const link of ['lo', device]) ip('-n', name, 'link', 'set', link, 'up');
    }
  });
  afterAll(() => {
    for (const name of [A, B]) canRun('ip', 'netns', 'del', name);
  });

  it('train like one process, and all gradients have gone over the cable', async () => {
    const questions = writeQuestions(directory);
    const agent = join(directory, 'agent.sh');
    // Called as ssh is: a host, and a command in several words.
    writeFileSync(
      agent,
      `#!/bin/sh\nshift\nexec ip netns exec ${B} unshare --uts sh -c "hostname other; $*"\n`,
    );
    chmodSync(agent, 0o755);
    const mpirun = [
      ...['netns', 'exec', A, 'mpirun', '-n', '2', '--host', `${HOSTS[A]!}:1,${HOSTS[B]!}:1`],
      ...['--map-by', 'ppr:1:node', '--mca', 'plm_rsh_agent', agent, '--mca', 'btl', 'tcp,self'],
      ...['--mca', 'btl_tcp_if_include', NETWORK, '--mca', 'oob_tcp_if_include', NETWORK],
      ...['--wdir', process.cwd()],
    ];
    const run = (output: string, batch: number): string[] => [
      ...finetuneArguments(questions, join(directory, output), '--num_train_epochs', '2'),
      ...['--per_device_train_batch_size', String(batch)],
    ];
    const two = await ended('ip', [...mpirun, process.execPath, ...program, ...run('two', 2)]);
    expect(two.err).toContain('model written');
    expect(two.exitCode).toBe(0);
    const one = await bertram(run('one', 4));
    expect(one.exitCode).toBe(0);
    const [alone, shared] = [resultOf(join(directory, 'one')), resultOf(join(directory, 'two'))];
    expect(lossDifference(alone, shared)).toBeLessThan(1e-5);

    const statistics = ip('-n', A, '-s', '-j', 'link', 'show', 'bertram-a').toString();
    const [link] = JSON.parse(statistics) as { stats64: { tx: { bytes: number } } }[];
    const gradientBytes = 4 * [...alone.weights.values()].reduce((sum, { length }) => sum + length, 0);
    // Of an all-reduce between two, each sends as much as there is.
    expect(link!.stats64.tx.bytes).toBeGreaterThan(gradientBytes * alone.losses.length);
  });
});
