/** Event files against those of TensorBoard's own writer (`scripts/golden/tensorboard_events.py`), and by its own reader. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TensorBoardFile } from '../../src/reports/tensorboard-file.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const GOLDEN = join(import.meta.dirname, '../golden/reports');
const golden = JSON.parse(readFileSync(join(GOLDEN, 'tensorboard.json'), 'utf8')) as {
  begin: number;
  text: string;
  scalars: [step: number, tag: string, value: number | null][];
};

/** Python with TensorBoard, such as that of a virtual environment. */
const PYTHON = process.env['BERTRAM_PEER_PYTHON'] ?? '';
const hasTensorBoard = PYTHON !== '' && spawnSync(PYTHON, ['-c', 'import tensorboard']).status === 0;

/** Prints [step, value] of each tag as TensorBoard shows them: events that another session replaced are gone. */
const READER = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]).Reload()
print(json.dumps({
    "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]},
    "text": [e.tensor_proto.string_val[0].decode() for e in events.Tensors("configuration/text_summary")],
}))
`;

describe('an event file', () => {
  it('has the very bytes of TensorBoard’s own writer', () => {
    // The first look at the clock is for the name of the file.
    let ticks = -1;
    const clock = (): number => golden.begin + ticks++ / 4;
    const file = TensorBoardFile.create(temporaryDirectory(), { resumedAt: 13, clock });
    file.text('configuration', golden.text);
    for (const [step, tag, value] of golden.scalars) file.scalars(step, { [tag]: value ?? NaN });
    file.close();
    expect(file.path).toMatch(/\/events\.out\.tfevents\.1699999999\.[^/]+\.\d+\.0$/);
    expect(readFileSync(file.path).equals(readFileSync(join(GOLDEN, 'tensorboard.tfevents')))).toBe(true);
  });

  it('is on the disk after every entry, and never one that is there', () => {
    const directory = temporaryDirectory();
    const clock = (): number => 1000;
    const [one, two] = [
      TensorBoardFile.create(directory, { clock }),
      TensorBoardFile.create(directory, { clock }),
    ];
    expect([one.path.slice(-2), two.path.slice(-2)]).toEqual(['.0', '.1']);
    const before = statSync(one.path).size;
    one.scalars(1, { 'train/loss': 1 });
    expect(statSync(one.path).size).toBeGreaterThan(before);
    const after = statSync(one.path).size;
    one.scalars(2, {});
    expect(statSync(one.path).size).toBe(after);
    one.close();
    two.close();
  });

  it('that cannot be written is named in one line', () => {
    const file = join(temporaryDirectory(), 'file');
    TensorBoardFile.create(file).close();
    const inside = join(TensorBoardFile.create(file).path, 'runs');
    expect(() => TensorBoardFile.create(inside)).toThrow(/runs: cannot be written/);
  });

  it.skipIf(!hasTensorBoard)('is read by TensorBoard, steps made twice once (BERTRAM_PEER_PYTHON)', () => {
    const directory = temporaryDirectory();
    const first = TensorBoardFile.create(directory, { clock: () => 1000 });
    first.text('configuration', golden.text);
    for (const step of [10, 20, 30]) first.scalars(step, { 'train/loss': step / 10, 'eval/f1': step });
    first.close();
    const second = TensorBoardFile.create(directory, { clock: () => 2000, resumedAt: 16 });
    for (const step of [20, 30, 40]) second.scalars(step, { 'train/loss': step / 100 });
    second.close();
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', READER, directory], { encoding: 'utf8' });
    const read = JSON.parse(stdout || JSON.stringify({ stderr })) as unknown;
    const float = (value: number): number => Math.fround(value);
    expect(read).toEqual({
      scalars: {
        'train/loss': [
          [10, 1],
          [20, float(0.2)],
          [30, float(0.3)],
          [40, float(0.4)],
        ],
        'eval/f1': [[10, 10]],
      },
      text: [golden.text],
    });
  });
});
