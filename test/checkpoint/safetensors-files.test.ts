/**
 * Safetensors files in and out: what the Python library wrote is read with the same values and written again with the
 * same bytes (goldens of scripts/golden/safetensors.py); what we write, we read; files past 4 GB; failures.
 */
import fc from 'fast-check';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DTYPES } from '../../src/checkpoint/safetensors-dtype.ts';
import type { Dtype, TensorData } from '../../src/checkpoint/safetensors-dtype.ts';
import type { TensorToWrite } from '../../src/checkpoint/safetensors-layout.ts';
import { openSafetensors } from '../../src/checkpoint/safetensors-reader.ts';
import { openSafetensorsBytes } from '../../src/checkpoint/safetensors-source.ts';
import { writeSafetensors } from '../../src/checkpoint/safetensors-writer.ts';
import type { WeightSource } from '../../src/checkpoint/weight-source.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const GOLDEN = 'test/golden/checkpoint';

interface GoldenTensor {
  readonly shape: number[];
  readonly bytes: string;
  readonly float32: string | null;
}

const goldenTensors = Object.entries(
  JSON.parse(readFileSync(`${GOLDEN}/all-dtypes.json`, 'utf8')) as Record<string, GoldenTensor>,
);

function hex(data: TensorData): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
}

/** Everything of a source, to be written again. */
async function tensorsOf(source: WeightSource): Promise<TensorToWrite[]> {
  return Promise.all(
    Array.from(source.tensors, async ([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape,
      data: await source.read(name),
    })),
  );
}

describe('a file of the Python library', () => {
  it.each(goldenTensors)('reads tensor %j', async (name, { shape, bytes, float32 }) => {
    const file = await openSafetensors(`${GOLDEN}/all-dtypes.safetensors`);
    try {
      expect(file.tensors.get(name)?.shape).toEqual(shape);
      expect(hex(await file.read(name))).toBe(bytes);
      if (float32 !== null) {
        expect(hex(await file.readFloat32(name))).toBe(float32);
        const flat = new Float32Array(float32.length / 8 + 2).fill(7);
        const part = flat.subarray(1, -1);
        expect(await file.readFloat32(name, part)).toBe(part);
        expect(hex(part)).toBe(float32);
        expect([flat.at(0), flat.at(-1)]).toEqual([7, 7]);
      } else {
        await expect(file.readFloat32(name)).rejects.toThrow(/expected a float element type/);
      }
    } finally {
      await file.close();
    }
  });

  it('holds every tensor once, in the order of the data', async () => {
    const file = await openSafetensorsBytes(readFileSync(`${GOLDEN}/all-dtypes.safetensors`));
    expect([...file.tensors.keys()].sort()).toEqual(goldenTensors.map(([name]) => name).sort());
    expect(file.metadata).toEqual(new Map([['format', 'pt']]));
    expect(Array.from(file.tensors.values(), ({ dtype }) => dtype).filter((d, i, all) => d !== all[i - 1]))
      .toMatchInlineSnapshot(`
      [
        "U64",
        "I64",
        "F64",
        "C64",
        "F32",
        "U32",
        "I32",
        "BF16",
        "F16",
        "U16",
        "I16",
        "F8_E5M2FNUZ",
        "F8_E4M3FNUZ",
        "F8_E8M0",
        "F8_E4M3",
        "F8_E5M2",
        "I8",
        "U8",
        "BOOL",
      ]
    `);
  });

  it.each(['all-dtypes', 'no-tensors', 'one-tensor'])('is written again byte for byte: %s', async (name) => {
    const original = readFileSync(`${GOLDEN}/${name}.safetensors`);
    const source = await openSafetensorsBytes(original);
    const copy = join(temporaryDirectory(), 'copy.safetensors');
    const metadata = source.metadata.size === 0 ? undefined : source.metadata;
    await writeSafetensors(copy, (await tensorsOf(source)).reverse(), metadata);
    expect(readFileSync(copy).equals(original)).toBe(true);
  });
});

describe('what is written is read', () => {
  const dtype = fc.constantFrom(...(Object.keys(DTYPES) as Dtype[]));
  const tensor = fc
    .record({ dtype, shape: fc.array(fc.nat(5), { maxLength: 4 }), lazy: fc.boolean() })
    .filter(({ dtype: type, shape }) => (shape.reduce((a, b) => a * b, 1) * DTYPES[type].bits) % 8 === 0)
    .chain(({ dtype: type, shape, lazy }) => {
      const { bits, array } = DTYPES[type];
      const length = (shape.reduce((a, b) => a * b, 1) * bits) / 8;
      return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => {
        // In the middle of a larger buffer, as parameters in one flat array are.
        const buffer = Uint8Array.from([...Array<number>(8).fill(0xee), ...bytes, 0xee]).buffer;
        const data = new array(buffer, 8, length / array.BYTES_PER_ELEMENT);
        return { dtype: type, shape, data: lazy ? () => data : data, bytes };
      });
    });
  const name = fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => text !== '__metadata__');
  const model = fc.uniqueArray(fc.record({ name, tensor }), {
    selector: (entry) => entry.name,
    maxLength: 8,
  });
  const metadata = fc.dictionary(name, fc.string({ unit: 'binary' }), { maxKeys: 4 });

  it('for any names, types, shapes, bytes and metadata', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    await fc.assert(
      fc.asyncProperty(model, metadata, async (entries, strings) => {
        await writeSafetensors(
          path,
          entries.map((entry) => ({ name: entry.name, ...entry.tensor })),
          strings,
        );
        const file = await openSafetensors(path);
        try {
          expect(Object.fromEntries(file.metadata)).toEqual({ ...strings });
          expect(file.tensors.size).toBe(entries.length);
          for (const { name: key, tensor: written } of entries) {
            expect(file.tensors.get(key)).toMatchObject({ dtype: written.dtype, shape: written.shape });
            expect(hex(await file.read(key))).toBe(hex(written.bytes));
          }
        } finally {
          await file.close();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('with the data area on a multiple of 8, whatever the header', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    for (let length = 1; length <= 9; length++) {
      await writeSafetensors(path, [
        { name: 'x'.repeat(length), dtype: 'U8', shape: [1], data: Uint8Array.of(1) },
      ]);
      const bytes = readFileSync(path);
      expect((bytes.length - 1) % 8).toBe(0);
      expect(Number(bytes.readBigUInt64LE())).toBe(bytes.length - 9);
    }
  });

  it('and widened over more than one chunk', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    const count = 3 * 65536 + 5;
    const doubles = Float64Array.from({ length: count }, (_, i) => i / 3);
    const brains = Uint16Array.from({ length: count }, (_, i) => i % 0x7f80);
    await writeSafetensors(path, [
      { name: 'doubles', dtype: 'F64', shape: [count], data: doubles },
      { name: 'brains', dtype: 'BF16', shape: [count], data: brains },
    ]);
    const file = await openSafetensors(path);
    expect(hex(await file.readFloat32('doubles')) === hex(Float32Array.from(doubles))).toBe(true);
    const expected = new Float32Array(Uint32Array.from(brains, (bits) => bits << 16).buffer);
    expect(hex(await file.readFloat32('brains')) === hex(expected)).toBe(true);
    await file.close();
  });
});

describe('large files', () => {
  // Windows would write the zeros out.
  it.skipIf(process.platform === 'win32')('are read past 4 GB', async () => {
    // A sparse file: 4.5 GB of zeros that take no room, then eight bytes.
    const path = join(temporaryDirectory(), 'large.safetensors');
    const zeros = 4.5 * 2 ** 30;
    const header = JSON.stringify({
      zeros: { dtype: 'U8', shape: [zeros], data_offsets: [0, zeros] },
      last: { dtype: 'F32', shape: [2], data_offsets: [zeros, zeros + 8] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const descriptor = openSync(path, 'w');
    writeSync(descriptor, Buffer.concat([length, Buffer.from(header)]));
    writeSync(descriptor, new Uint8Array(Float32Array.of(1.5, -2.5).buffer), 0, 8, 8 + header.length + zeros);
    ftruncateSync(descriptor, 8 + header.length + zeros + 8);
    closeSync(descriptor);
    const file = await openSafetensors(path);
    expect([...(await file.readFloat32('last'))]).toEqual([1.5, -2.5]);
    await file.close();
  });
});

describe('reading fails in one line', () => {
  const good = `${GOLDEN}/one-tensor.safetensors`;

  it('where there is no file', async () => {
    await expect(openSafetensors('no/such.safetensors')).rejects.toMatchObject({
      name: 'BertramError',
      code: 'not-found',
    });
    await expect(openSafetensors('no/such.safetensors')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: no/such.safetensors: cannot be read: no such file or directory (ENOENT)]`,
    );
  });

  it('where there is a directory', async () => {
    await expect(openSafetensors('test')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: test: expected a file, got something else]`,
    );
  });

  it('for a tensor it does not have', async () => {
    const file = await openSafetensors(good);
    await expect(file.read('constructor')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: test/golden/checkpoint/one-tensor.safetensors: no tensor named "constructor" among its 1]`,
    );
    await expect(file.readFloat32('b')).rejects.toMatchObject({ code: 'not-found' });
    await file.close();
  });

  it('for an output that does not fit', async () => {
    const file = await openSafetensors(good);
    await expect(file.readFloat32('a', new Float32Array(14))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: test/golden/checkpoint/one-tensor.safetensors: tensor "a": expected room for 15 values, got 14]`,
    );
    await file.close();
  });

  it('after the file was cut behind its back', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    writeFileSync(path, readFileSync(good));
    const file = await openSafetensors(path);
    truncateSync(path, 100);
    await expect(file.read('a')).rejects.toThrow(
      `${path}: expected 132 bytes, as when it was opened, got 100`,
    );
    await file.close();
  });

  it('after it was closed', async () => {
    const file = await openSafetensors(good);
    await file.close();
    await expect(file.read('a')).rejects.toMatchObject({ name: 'BertramError', code: 'failed' });
  });
});

describe('writing refuses', () => {
  const one: TensorToWrite = { name: 'a', dtype: 'F32', shape: [2], data: new Float32Array(2) };
  const cases: readonly (readonly [string, readonly TensorToWrite[], string])[] = [
    ['a name twice', [one, one], 'tensor "a": expected each name once, got it twice'],
    [
      'the name of the metadata',
      [{ ...one, name: '__metadata__' }],
      'tensor "__metadata__": expected a name that the format has not taken, got this one',
    ],
    [
      'a name that is no Unicode',
      [{ ...one, name: '\ud800' }],
      'tensor "\\ud800": expected well-formed Unicode, got a lone surrogate',
    ],
    [
      'a negative size',
      [{ ...one, shape: [-2, -1] }],
      'tensor "a": expected a shape of non-negative integers, got [-2,-1]',
    ],
    [
      'a size that is no integer',
      [{ ...one, shape: [0.5, 4] }],
      'tensor "a": expected a shape of non-negative integers, got [0.5,4]',
    ],
    [
      'too little data',
      [{ ...one, shape: [3] }],
      'tensor "a": expected 12 bytes for F32 of shape [3], got 8',
    ],
    [
      'too much data, made late',
      [{ ...one, data: () => new Float32Array(3) }],
      'tensor "a": expected 8 bytes for F32 of shape [2], got 12',
    ],
    [
      'data of another type',
      [{ ...one, data: new Int32Array(2) }],
      'tensor "a": expected Float32Array for F32, got Int32Array',
    ],
    [
      'data that is none',
      [{ ...one, data: [1, 2] as unknown as TensorData }],
      'tensor "a": expected Float32Array for F32, got object',
    ],
    [
      'half a byte',
      [{ name: 'a', dtype: 'F4', shape: [1], data: new Uint8Array(1) }],
      'tensor "a": expected a size in whole bytes, got F4 of shape [1]',
    ],
  ];

  it.each(cases)('%s', async (_, tensors, message) => {
    const directory = temporaryDirectory();
    const path = join(directory, 'model.safetensors');
    writeFileSync(path, 'as it was');
    await expect(writeSafetensors(path, tensors)).rejects.toThrow(`${path}: ${message}`);
    expect(readdirSync(directory)).toEqual(['model.safetensors']);
    expect(readFileSync(path, 'utf8')).toBe('as it was');
  });

  it('metadata that is no strings', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    const numbers = { step: 3 } as unknown as Record<string, string>;
    await expect(writeSafetensors(path, [], numbers)).rejects.toThrow(
      'metadata "step": expected a string, got 3',
    );
  });

  it('to write where a directory is', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'model.safetensors'));
    const writing = writeSafetensors(join(directory, 'model.safetensors'), [one]);
    await expect(writing).rejects.toMatchObject({ name: 'BertramError', code: 'bad-input' });
    expect(readdirSync(directory)).toEqual(['model.safetensors']);
  });
});
