/**
 * Kills small runs of `finetune` and `pretrain` at random moments, resumes them until they end, and compares them with
 * runs that were left alone.
 *
 *     npm run kill-test -- --kills 100 [--seed N]
 *
 * Fails at the first checkpoint that is damaged or lost, and when a weight, a moment or a line of the log differs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../../src/support/random.ts';
import { bundledProgram, killAndResume, trainingCommands } from '../../test/e2e/killed-runs.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string' } },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
console.log(`seed ${seed}: ${kills} kills`);

const directory = await mkdtemp(join(tmpdir(), 'bertram-kill-test-'));
try {
  const program = await bundledProgram('kill-test');
  const commands = await trainingCommands(join(directory, 'data'));
  for (const [i, command] of commands.entries()) {
    const report = await killAndResume({
      ...{ program, command, directory: join(directory, command.name) },
      kills: Math.ceil((kills - i) / commands.length),
      random: new Random(seed, command.name),
      onKill: ({ kills }) => void process.stderr.write(`\r${command.name}: ${kills} kills `),
    });
    process.stderr.write('\r');
    console.log(
      `${command.name}: ${report.kills} kills, ${report.duringStart} of them before the first update and ` +
        `${report.duringWriting} inside the writing of a checkpoint; ${report.completed} runs came to their end, ` +
        'each with the weights, moments and log of the run that was left alone',
    );
  }
} finally {
  for (const made of [directory, 'out/kill-test']) await rm(made, { recursive: true, force: true });
}
