/**
 * The same files through the Python library, where there is one: set BERTRAM_PEER_PYTHON to an interpreter with
 * safetensors, torch and transformers installed.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelWeights } from '../../src/checkpoint/model-directory.ts';
import { DTYPES } from '../../src/checkpoint/safetensors-dtype.ts';
import type { Dtype } from '../../src/checkpoint/safetensors-dtype.ts';
import type { TensorToWrite } from '../../src/checkpoint/safetensors-layout.ts';
import { writeSafetensors } from '../../src/checkpoint/safetensors-writer.ts';
import { writeModelWeights } from '../../src/checkpoint/sharded-writer.ts';
import { malformedFiles } from './malformed-files.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const python = process.env['BERTRAM_PEER_PYTHON'];

/** Runs a program; its last line of output is JSON. */
function runPython(program: string, ...args: string[]): unknown {
  const output = execFileSync(python!, ['-c', program, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(output.trim().split('\n').at(-1)!);
}

describe.skipIf(python === undefined)('the Python library (skipped without BERTRAM_PEER_PYTHON)', () => {
  it('makes of every malformed file what the table says', () => {
    const directory = temporaryDirectory();
    for (const [i, { bytes }] of malformedFiles.entries()) writeFileSync(join(directory, String(i)), bytes);
    const verdicts = runPython(
      `
import json, sys
from safetensors import safe_open
def verdict(path):
    try:
        with safe_open(path, "np") as file:
            list(file.keys())
        return "accepts"
    except BaseException:
        return "refuses"
print(json.dumps([verdict(f"{sys.argv[1]}/{i}") for i in range(int(sys.argv[2]))]))`,
      directory,
      String(malformedFiles.length),
    );
    expect(verdicts).toEqual(malformedFiles.map(({ library }) => library));
  });

  it('reads what we write, of every element type', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    const tensors = (Object.keys(DTYPES) as Dtype[]).map((dtype): TensorToWrite => {
      // Two rows of four elements, a whole number of bytes for every type.
      const { array, bits } = DTYPES[dtype];
      const bytes = Uint8Array.from({ length: bits }, (_, i) => i % 2);
      return {
        name: `of ${dtype}`,
        dtype,
        shape: [2, 4],
        data: new array(bytes.buffer, 0, bits / array.BYTES_PER_ELEMENT),
      };
    });
    await writeSafetensors(path, tensors, { format: 'pt' });
    const read = runPython(
      `
import json, sys
from safetensors import deserialize
print(json.dumps([[name, info["dtype"], info["shape"], info["data"].hex()] for name, info in deserialize(open(sys.argv[1], "rb").read())]))`,
      path,
    ) as unknown[];
    const expected = tensors.map(({ name, dtype, shape, data }) => {
      if (typeof data === 'function') throw new Error('made at once above');
      return [name, dtype, shape, Buffer.from(data.buffer).toString('hex')];
    });
    expect(read.sort()).toEqual(expected.sort());
  });

  it('loads our shards into transformers, with nothing missing', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'model'));
    copyFileSync('test/golden/checkpoint/bert/config.json', join(directory, 'model', 'config.json'));
    const source = await openModelWeights('test/golden/checkpoint/bert');
    const tensors = await Promise.all(
      Array.from(source.tensors, async ([name, { dtype, shape }]) => ({
        name,
        dtype,
        shape,
        data: await source.read(name),
      })),
    );
    await source.close();
    const files = await writeModelWeights(join(directory, 'model'), tensors, { maxShardBytes: 1000 });
    expect(files.length).toBeGreaterThan(3);
    const result = runPython(
      `
import json, sys, torch
from transformers import BertForPreTraining
ours, report = BertForPreTraining.from_pretrained(sys.argv[1], output_loading_info=True)
theirs = BertForPreTraining.from_pretrained(sys.argv[2])
same = all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
print(json.dumps([same, sorted(report["missing_keys"]), sorted(report["unexpected_keys"])]))`,
      join(directory, 'model'),
      'test/golden/checkpoint/bert',
    );
    expect(result).toEqual([true, [], []]);
    // Importing torch and transformers takes long on a busy machine.
  }, 300_000);
});
