/**
 * A failure in the place of every call that writing a checkpoint makes, and at several bytes of every write: an error of
 * the system, or the end of the process. Whatever happens, no checkpoint is lost, none is taken that is not whole, and
 * the next run goes on.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../src/checkpoint/index.ts';
import { Parameters, zeros } from '../../src/nn/index.ts';
import {
  Checkpoints,
  listCheckpoints,
  newestCheckpoint,
  readCheckpoint,
  recoverCheckpoints,
  TrainingState,
  verifyCheckpoint,
  type TrainingProgress,
} from '../../src/training/index.ts';
import { everyFault, failingFiles, type Fault, type FileCall } from '../checkpoint/failing-files.ts';

/** Moments that tell by whom they were written. */
function stateOf(mark: number): TrainingState {
  const parameters = new Parameters();
  parameters.declare('weight', [5, 3], zeros);
  parameters.declare('bias', [5], zeros);
  const state = new TrainingState(parameters.all);
  state.firstMoments.fill(mark);
  return state;
}

const progressAt = (step: number): TrainingProgress => ({
  ...{ step, totalSteps: 9, logHistory: [], settings: { seed: 42 }, position: { epoch: 0, update: step } },
  logSums: { sinceEntry: { updates: 0, sums: {} }, run: { updates: step, sums: { loss: step } } },
});

const modelOf = (mark: number) => [
  { name: 'config.json', content: JSON.stringify({ mark }) },
  {
    name: 'model.safetensors',
    content: (async function* () {
      for (let i = 0; i < 3; i++) yield await Promise.resolve(new Uint8Array(100 + i).fill(mark));
    })(),
  },
];

const write = (checkpoints: Checkpoints, step: number, mark = step): Promise<void> =>
  checkpoints.write(stateOf(mark), progressAt(step), modelOf(mark));

async function markOf(directory: string): Promise<number> {
  await verifyCheckpoint(directory);
  const state = stateOf(-1);
  await readCheckpoint(directory, state);
  const { mark } = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as { mark: number };
  expect(state.firstMoments[0]).toBe(mark);
  return mark;
}

const stepsIn = async (output: string): Promise<number[]> =>
  (await listCheckpoints(output)).map((path) => Number(/\d+$/.exec(path)![0]));

/** In memory where the system has such a place: hundreds of checkpoints are flushed to the disk here. */
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bertram-faults-'));
const template = join(root, 'template');
let outputs = 0;
beforeAll(async () => {
  for (const step of [1, 2]) await write(new Checkpoints(template), step);
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

/** A directory with the checkpoints 1 and 2. */
function withTwo(): string {
  const output = join(root, `output-${(outputs += 1)}`);
  cpSync(template, output, { recursive: true });
  return output;
}

/** The calls of writing a checkpoint, where nothing fails. */
async function callsOf(step: number): Promise<FileCall[]> {
  const output = withTwo();
  const calls: FileCall[] = [];
  await write(new Checkpoints(output, { limit: 2, files: failingFiles(output, undefined, calls) }), step, 7);
  return calls;
}

const CODES = ['ENOSPC', 'EIO', 'EACCES', undefined] as const;

/** Writes a checkpoint with a fault, and goes on as the next run would. */
async function afterFault(step: number, fault: Fault) {
  const output = withTwo();
  const files = failingFiles(output, fault);
  const error: unknown = await write(new Checkpoints(output, { limit: 2, files }), step, 7).catch(
    (caught: unknown) => caught,
  );
  // Before anything is tidied up, whoever looks finds no less than there was: under its name, or set aside.
  for (const old of [1, 2].filter((old) => old !== 1 || step === 2)) {
    const present = [`checkpoint-${old}`, `.replaced-checkpoint-${old}`].filter((name) =>
      existsSync(join(output, name)),
    );
    expect(present.length, `checkpoint-${old}`).toBeGreaterThan(0);
  }
  const names = readdirSync(output);
  await recoverCheckpoints(output);
  return { output, error, names };
}

describe('writing a checkpoint beside others', () => {
  it('asks the file system for what makes it durable, in this order', async () => {
    const calls = await callsOf(3);
    const told = calls
      .filter(({ name }) => name !== 'write' && name !== 'close')
      .map(({ name, path }) => `${name} ${path}`);
    expect(told).toMatchInlineSnapshot(`
      [
        "remove .partial-checkpoint-3",
        "makeDirectory .partial-checkpoint-3",
        "create .partial-checkpoint-3/config.json",
        "sync .partial-checkpoint-3/config.json",
        "create .partial-checkpoint-3/model.safetensors",
        "sync .partial-checkpoint-3/model.safetensors",
        "create .partial-checkpoint-3/optimizer.safetensors",
        "sync .partial-checkpoint-3/optimizer.safetensors",
        "create .partial-checkpoint-3/trainer_state.json",
        "sync .partial-checkpoint-3/trainer_state.json",
        "create .partial-checkpoint-3/run_state.json",
        "sync .partial-checkpoint-3/run_state.json",
        "create .partial-checkpoint-3/manifest.json",
        "sync .partial-checkpoint-3/manifest.json",
        "flushDirectory .partial-checkpoint-3",
        "rename checkpoint-3",
        "flushDirectory ",
        "remove .obsolete-checkpoint-1",
        "rename .obsolete-checkpoint-1",
        "remove .obsolete-checkpoint-1",
      ]
    `);
  });

  it('loses nothing, whichever call fails and wherever the process ends', async () => {
    const calls = await callsOf(3);
    const faults = everyFault(calls);
    expect(faults.length).toBeGreaterThan(70);
    const placed = calls.findIndex(({ name, path }) => name === 'rename' && path === 'checkpoint-3');
    for (const [i, place] of faults.entries()) {
      // Every place has each code in turn, and an end of the process every other time.
      for (const code of [CODES[i % 3], undefined]) {
        const fault: Fault = { ...place, ...(code === undefined ? {} : { code }) };
        const what = `${code ?? 'end'} at ${JSON.stringify({ ...fault, ...calls[fault.call] })}`;
        const { output, error, names } = await afterFault(3, fault);
        expect(error, what).toMatchObject({ name: 'BertramError', code: 'failed' });
        if (code !== undefined) {
          expect((error as Error).message, what).toMatch(
            new RegExp(`^${output}/checkpoint-[123]: cannot be (written|removed): [^\\n]* \\(${code}\\)$`),
          );
          if (calls[fault.call]!.name !== 'remove')
            expect(
              names.filter((name) => name.startsWith('.partial-')),
              what,
            ).toEqual([]);
        }
        const steps = await stepsIn(output);
        // Where the new one came to its place, the oldest may have gone; else both are there.
        expect(
          fault.call > placed
            ? [
                [2, 3],
                [1, 2, 3],
              ]
            : [[1, 2]],
          what,
        ).toContainEqual(steps);
        for (const step of steps)
          expect(await markOf(join(output, `checkpoint-${step}`)), what).toBe(step === 3 ? 7 : step);
        expect(
          readdirSync(output).filter((name) => name.startsWith('.')),
          what,
        ).toEqual([]);

        if (i % 6 === 0) {
          await write(new Checkpoints(output, { limit: 2 }), 4);
          expect(basename((await newestCheckpoint(output, () => undefined))!), what).toBe('checkpoint-4');
        }
        rmSync(output, { recursive: true });
      }
    }
  });
});

describe('writing a checkpoint in the place of another', () => {
  it('leaves the old one or the new one, whichever call fails and wherever the process ends', async () => {
    const calls = await callsOf(2);
    for (const [i, place] of everyFault(calls).entries()) {
      for (const code of [CODES[i % 3], undefined]) {
        const fault: Fault = { ...place, ...(code === undefined ? {} : { code }) };
        const what = `${code ?? 'end'} at ${JSON.stringify({ ...fault, ...calls[fault.call] })}`;
        const { output, error, names } = await afterFault(2, fault);
        if (code !== undefined) expect(names, what).toContain('checkpoint-2');
        expect(error, what).toMatchObject({ name: 'BertramError', code: 'failed' });
        expect(await stepsIn(output), what).toEqual([1, 2]);
        expect([2, 7], what).toContain(await markOf(join(output, 'checkpoint-2')));
        expect(
          readdirSync(output).filter((name) => name.startsWith('.')),
          what,
        ).toEqual([]);
        rmSync(output, { recursive: true });
      }
    }
  });

  it('puts the old one back where the new one was damaged before it was seen', async () => {
    const output = withTwo();
    renameSync(join(output, 'checkpoint-2'), join(output, '.replaced-checkpoint-2'));
    await write(new Checkpoints(output), 2, 7);
    // The write above removed what was set aside before, as it would for one of its own; a killed run leaves both.
    expect(await markOf(join(output, 'checkpoint-2'))).toBe(7);
    await write(new Checkpoints(output), 3);
    renameSync(join(output, 'checkpoint-3'), join(output, '.replaced-checkpoint-3'));
    mkdirSync(join(output, 'checkpoint-3'));
    await recoverCheckpoints(output);
    expect(await markOf(join(output, 'checkpoint-3'))).toBe(3);
  });
});

describe('a checkpoint that is damaged', () => {
  const FILES = [
    'config.json',
    'model.safetensors',
    'optimizer.safetensors',
    'trainer_state.json',
    'run_state.json',
  ];
  const places = (length: number): number[] => [...new Set([0, 1, length >> 1, length - 1])];

  /** What resuming says, and which checkpoint it takes. */
  async function resumed(output: string): Promise<{ taken: string; warnings: string[] }> {
    const warnings: string[] = [];
    const taken = await newestCheckpoint(output, (text) => warnings.push(text.replaceAll(output, 'OUT')));
    return { taken: basename(taken!), warnings };
  }

  it.each(FILES)(
    'in any byte of %s is passed over, with the file, what was expected and what came',
    async (file) => {
      const output = withTwo();
      const path = join(output, 'checkpoint-2', file);
      const bytes = readFileSync(path);
      for (const place of places(bytes.length)) {
        const flipped = Buffer.from(bytes);
        flipped[place]! ^= 1;
        writeFileSync(path, flipped);
        const { taken, warnings } = await resumed(output);
        expect(taken).toBe('checkpoint-1');
        expect(warnings).toHaveLength(1);
        expect(warnings[0]).toMatch(
          new RegExp(
            `^checkpoint-2 is damaged and passed over: OUT/checkpoint-2/${file}: expected SHA-256 [0-9a-f]{64}, as when it was written, got [0-9a-f]{64}$`,
          ),
        );

        writeFileSync(path, bytes);
        truncateSync(path, place);
        expect((await resumed(output)).warnings).toEqual([
          `checkpoint-2 is damaged and passed over: OUT/checkpoint-2/${file}: expected ${bytes.length} bytes, as when it was written, got ${place}`,
        ]);
      }
      rmSync(path);
      expect((await resumed(output)).warnings[0]).toContain(`OUT/checkpoint-2/${file}: cannot be read`);
      writeFileSync(path, bytes);
      expect(await resumed(output)).toEqual({ taken: 'checkpoint-2', warnings: [] });
    },
  );

  it('in any byte of its manifest is passed over, unless the manifest says the same', async () => {
    const output = withTwo();
    const directory = join(output, 'checkpoint-2');
    const path = join(directory, 'manifest.json');
    const bytes = readFileSync(path);
    const manifest = await readManifest(directory);
    let refused = 0;
    for (let place = 0; place < bytes.length; place += 5) {
      const flipped = Buffer.from(bytes);
      flipped[place]! ^= 1;
      writeFileSync(path, flipped);
      const error: unknown = await verifyCheckpoint(directory).catch((caught: unknown) => caught);
      if (error === undefined) expect(await readManifest(directory), String(place)).toEqual(manifest);
      else {
        expect(error).toMatchObject({ name: 'BertramError' });
        refused += 1;
      }
    }
    // White space aside, every byte counts.
    const counting = Array.from(bytes.toString()).filter((byte, i) => i % 5 === 0 && /\S/.test(byte));
    expect(refused).toBeGreaterThanOrEqual(counting.length);
  });

  it('without a manifest is none: it was not completed, or is of a version that wrote none', async () => {
    const output = withTwo();
    rmSync(join(output, 'checkpoint-2', 'manifest.json'));
    expect(await resumed(output)).toEqual({
      taken: 'checkpoint-1',
      warnings: [
        'checkpoint-2 is damaged and passed over: OUT/checkpoint-2/manifest.json: expected a manifest, got none',
      ],
    });
  });

  it('under the name of another update is passed over', async () => {
    const output = withTwo();
    renameSync(join(output, 'checkpoint-2'), join(output, 'checkpoint-5'));
    expect(await resumed(output)).toEqual({
      taken: 'checkpoint-1',
      warnings: [
        'checkpoint-5 is damaged and passed over: OUT/checkpoint-5: expected update 5 in its manifest, got 2',
      ],
    });
  });

  it('is refused where it is the only one: a run is not begun anew without a word', async () => {
    const output = withTwo();
    for (const step of [1, 2]) rmSync(join(output, `checkpoint-${step}`, 'config.json'));
    await expect(newestCheckpoint(output, () => undefined)).rejects.toMatchObject({
      code: 'bad-input',
      message: `${output}: expected a checkpoint that is as it was written, got 2 damaged`,
    });
  });

  it('never counts as one of those to keep', async () => {
    const output = withTwo();
    truncateSync(join(output, 'checkpoint-2', 'model.safetensors'), 10);
    const checkpoints = new Checkpoints(output, { limit: 2 });
    await write(checkpoints, 3);
    // 2 is damaged: the whole ones are 1 and 3.
    expect(await stepsIn(output)).toEqual([1, 2, 3]);
    // Damaged after this very run wrote it.
    writeFileSync(join(output, 'checkpoint-3', 'config.json'), '{}');
    await write(checkpoints, 4);
    expect(await stepsIn(output)).toEqual([1, 2, 3, 4]);
    await write(checkpoints, 5);
    expect(await stepsIn(output)).toEqual([4, 5]);
  });

  it('may have files beside it that it does not know', async () => {
    const output = withTwo();
    writeFileSync(join(output, 'checkpoint-2', 'README.md'), 'mine');
    expect((await resumed(output)).taken).toBe('checkpoint-2');
  });
});
