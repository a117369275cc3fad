/**
 * Files that torch.save wrote (scripts/golden/pytorch_checkpoints.py), against what torch made of them; damaged files, and
 * pickles that want to run something.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openModelWeights, openWeights } from '../../src/checkpoint/model-directory.ts';
import { openPyTorch } from '../../src/checkpoint/pytorch-reader.ts';
import type { WeightSource } from '../../src/checkpoint/weight-source.ts';
import { BertramError } from '../../src/support/errors.ts';
import { archive, legacy, op, pickle, tensor, zip, type TensorFields } from './pickle-bytes.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const GOLDEN = 'test/golden/checkpoint';

type Golden = Readonly<Record<string, { readonly shape: readonly number[]; readonly bytes: string }>>;

async function readBytes(source: WeightSource): Promise<Golden> {
  const all: Record<string, Golden[string]> = {};
  try {
    for (const [name, { shape }] of source.tensors) {
      const { buffer, byteOffset, byteLength } = await source.read(name);
      all[name] = { shape, bytes: Buffer.from(buffer, byteOffset, byteLength).toString('hex') };
    }
    return all;
  } finally {
    await source.close();
  }
}

/** The message with which a file of these bytes is refused, without its directory. */
async function refusal(bytes: Uint8Array, directory = temporaryDirectory()): Promise<string> {
  const path = join(directory, 'w.bin');
  writeFileSync(path, bytes);
  try {
    const source = await openPyTorch(path);
    await readBytes(source);
    return 'none';
  } catch (error) {
    return error instanceof BertramError
      ? error.message.replaceAll(path, 'w.bin')
      : `not ours: ${String(error)}`;
  }
}

describe('tensors as torch reads them back', () => {
  const golden = JSON.parse(readFileSync(`${GOLDEN}/pytorch/views.json`, 'utf8')) as Golden;

  it.each(['views.bin', 'views-old.bin', 'views-protocol-4.bin', 'views-without-checksums.bin'])(
    'of %s, views and all types',
    async (file) => {
      expect(await readBytes(await openPyTorch(`${GOLDEN}/pytorch/${file}`))).toEqual(golden);
    },
  );

  it('as 32-bit floats, into room that is given', async () => {
    const source = await openPyTorch(`${GOLDEN}/pytorch/views.bin`);
    const room = new Float32Array(10).fill(7);
    const values = await source.readFloat32('torch.float16', room.subarray(2, 8));
    expect(values.buffer).toBe(room.buffer);
    expect([...room]).toEqual([7, 7, 0, -2.5, -0, Infinity, 1, Infinity, 7, 7]);
    expect([...(await source.readFloat32('torch.bfloat16'))].slice(0, 3)).toEqual([0, -2.5, -0]);
    expect([...(await source.readFloat32('torch.float64'))][5]).toBe(Infinity);
    await expect(source.readFloat32('torch.int64')).rejects.toThrow(
      'tensor "torch.int64": expected a float element type (F32, F16, BF16, F64), got I64',
    );
    await expect(source.readFloat32('rows', room)).rejects.toThrow('expected room for 12 values, got 10');
    await expect(source.read('columnsx')).rejects.toMatchObject({ code: 'not-found' });
    await source.close();
  });
});

describe('a BERT', () => {
  const tied = ['cls.predictions.decoder.weight', 'cls.predictions.decoder.bias'];
  const modern = (name: string): string =>
    name.replace('LayerNorm.gamma', 'LayerNorm.weight').replace('LayerNorm.beta', 'LayerNorm.bias');

  it.each([
    ['new', tied],
    ['old', [...tied, 'bert.embeddings.position_ids']],
    ['sharded', []],
  ])('%s, has what transformers wrote as safetensors', async (directory, besides) => {
    const expected = await readBytes(await openModelWeights(`${GOLDEN}/bert`));
    const got = await readBytes(await openModelWeights(`${GOLDEN}/pytorch/${directory}`));
    const own = Object.entries(got).filter(([name]) => !besides.includes(name));
    expect(Object.fromEntries(own.map(([name, value]) => [modern(name), value]))).toEqual(expected);
    expect(Object.keys(got)).toHaveLength(46 + besides.length);
    for (const name of tied.filter((name) => besides.includes(name))) expect(got).toHaveProperty([name]);
  });

  it("is found in a trainer's file, and the rest is said to be left out", async () => {
    const source = await openWeights(`${GOLDEN}/pytorch/trainer.bin`);
    expect([...source.tensors.keys()]).toEqual(['weight']);
    expect(Object.fromEntries(source.leftOut)).toEqual({
      version: 'not a tensor',
      epoch: 'beside the model, which is under "model"',
      loss: 'beside the model, which is under "model"',
      optimizer: 'beside the model, which is under "model"',
    });
    await source.close();
  });
});

describe('a pickle', () => {
  it.each([
    [
      'malicious.bin',
      'data.pkl, byte 178: expected what tensors are made of, got refused global posix.system',
    ],
    [
      'malicious-old.bin',
      'object, byte 329: expected what tensors are made of, got refused global posix.system',
    ],
    [
      'module.bin',
      'data.pkl, byte 2: expected what tensors are made of, got refused global torch.nn.modules.linear.Linear',
    ],
    ['expanded.bin', 'tensor in storage "0": expected at most its 1 elements, got shape [1000]'],
    [
      'sparse.bin',
      'data.pkl, byte 18: expected what tensors are made of, got refused global torch._utils._rebuild_sparse_tensor',
    ],
  ])('%s is refused, and nothing of it runs', async (file, message) => {
    const path = `${GOLDEN}/pytorch/${file}`;
    await expect(openPyTorch(path)).rejects.toMatchObject({
      code: 'bad-input',
      message: `${path}: ${message}`,
    });
  });

  const repeated = (bytes: readonly number[], times: number): number[] =>
    Array.from({ length: times }, () => bytes).flat();
  const pickled: [string, Uint8Array, string][] = [
    ['nothing', pickle(), 'byte 2: expected a value on the stack, got none'],
    ['no end', pickle([0x4e]).slice(0, -1), 'byte 3: expected 1 more bytes, got 0'],
    ['only None', pickle([0x4e]), 'w.bin: expected a dictionary of tensors by name, got None'],
    [
      'only a text',
      pickle(op.text('a')),
      'w.bin: expected a dictionary of tensors by name, got the text "a"',
    ],
    [
      'a later protocol',
      Uint8Array.of(0x80, 9, 0x4e, 0x2e),
      'byte 0: expected pickle protocol 5 or lower, got 9',
    ],
    [
      'an instruction to build an object',
      pickle([0x81]),
      'byte 2: expected an instruction of a pickle of tensors, got 0x81',
    ],
    ['an extension', pickle([0x82, 1]), 'byte 2: expected an instruction of a pickle of tensors, got 0x82'],
    [
      'a memo that was never stored',
      pickle([0x6a, 255, 255, 255, 255]),
      'byte 2: expected value 4294967295 to have been stored, got none',
    ],
    [
      'a text longer than all',
      pickle([0x58, 255, 255, 255, 255]),
      'byte 2: expected 4294967295 more bytes, got 1',
    ],
    [
      'a text of 2^63 bytes',
      pickle([0x8d, 0, 0, 0, 0, 0, 0, 0, 128]),
      'byte 2: expected 9223372036854776000 more bytes, got 1',
    ],
    [
      'a text that is no UTF-8',
      pickle([0x58, 1, 0, 0, 0, 0xff]),
      'byte 2: expected text in UTF-8, got other bytes',
    ],
    ['a mark that is not there', pickle([0x74]), 'byte 2: expected a mark on the stack, got none'],
    [
      'an item of a number',
      pickle([0x4b, 1, 0x4e, 0x4e, 0x73]),
      'byte 6: expected a dictionary to set an item of, got the number 1',
    ],
    ['an append to None', pickle([0x4e, 0x4e, 0x61]), 'byte 4: expected a list to append to, got None'],
    [
      'half an item',
      pickle([0x7d, 0x28, 0x4e, 0x75]),
      'byte 5: expected keys and values in pairs, got 1 values',
    ],
    [
      'a call of a number',
      pickle([0x4b, 1, 0x29, 0x52]),
      'byte 5: expected a global to call, got the number 1',
    ],
    [
      'a call of a type',
      pickle(op.call(op.global('torch', 'FloatStorage'), [0x29])),
      'byte 23: expected a global that can be called, got torch.FloatStorage',
    ],
    [
      'a name that is none',
      pickle([0x4e, 0x4e, 0x93]),
      'byte 4: expected the name of a global, got None and None',
    ],
    [
      'a name over lines',
      pickle(op.global('os\u001b[1m', 'system')),
      String.raw`byte 2: expected what tensors are made of, got refused global "os\u001b[1m.system"`,
    ],
    [
      'many lists in one another',
      pickle(repeated([0x5d], 300_000), repeated([0x61], 299_999)),
      'w.bin: expected a dictionary of tensors by name, got a list',
    ],
    [
      'a list in itself',
      pickle([0x5d, 0x71, 0, 0x68, 0, 0x61]),
      'w.bin: expected a dictionary of tensors by name, got a list',
    ],
    [
      'many arguments',
      pickle(op.call(op.global('collections', 'OrderedDict'), op.tuple(repeated([0x4e], 300_000)))),
      'w.bin: expected a dictionary of tensors by name, got a dictionary',
    ],
    [
      'a number as a key',
      pickle(op.dict([0x4b, 1], tensor())),
      'w.bin: expected names of parameters, got the number 1',
    ],
    [
      'a parameter of nothing',
      pickle(op.call(op.global('torch._utils', '_rebuild_parameter'), [0x29])),
      'w.bin: expected a tensor in a parameter, got an object',
    ],
    [
      'a persistent id of None',
      pickle([0x4e, 0x51]),
      'w.bin: expected a persistent id of a storage, got None',
    ],
  ];

  it.each(pickled)('of %s is refused', async (_, bytes, message) => {
    expect(await refusal(archive(bytes))).toContain(message);
    expect(await refusal(legacy(bytes))).toMatch(/^w\.bin.*expected .*, got /);
  });

  const tensors: [TensorFields, string][] = [
    [
      { shape: [2, 4], strides: [4, 1] },
      'tensor in storage "0": expected a view within its 6 elements, got one to 8',
    ],
    [{ offset: 1 }, 'tensor in storage "0": expected a view within its 6 elements, got one to 7'],
    [{ offset: -1 }, 'tensor in storage "0": expected an offset from 0, got the number -1'],
    [{ shape: [-2, 3] }, 'tensor in storage "0": expected a shape of integers from 0, got a list'],
    [{ strides: [3, -1] }, 'tensor in storage "0": expected 2 strides from 0, got others'],
    [{ strides: [1] }, 'tensor in storage "0": expected 2 strides from 0, got others'],
    [
      { shape: [2 ** 31 - 1, 2 ** 31 - 1], strides: [0, 0] },
      'tensor in storage "0": expected at most its 6 elements, got shape [2147483647,2147483647]',
    ],
    [
      { shape: [2 ** 31 - 1, 0], strides: [0, 0], offset: 7 },
      'tensor in storage "0": expected a view within its 6 elements, got one to 7',
    ],
    [{ length: -6 }, 'storage "0": expected a number of elements, got the number -6'],
    [{ length: 7 }, 'storage "0": expected 28 bytes for 7 F32, got 24'],
    [{ key: '1' }, 'storage "1": expected its entry in the archive, got none'],
    [{ type: 'QInt8Storage' }, 'expected what tensors are made of, got refused global torch.QInt8Storage'],
  ];

  it.each(tensors)('of a tensor with %o is refused', async (fields, message) => {
    const bytes = pickle(op.dict(op.text('a'), tensor(fields)));
    expect(await refusal(archive(bytes))).toContain(message);
    expect(await refusal(legacy(bytes))).toMatch(/^w\.bin.*expected .*, got /);
  });

  it('is read when it is in order', async () => {
    const good = pickle(op.dict(op.text('a'), tensor()));
    expect(await refusal(archive(good))).toBe('none');
    expect(await refusal(legacy(good))).toBe('none');
    const twice = pickle(
      op.dict(op.text('a'), tensor(), op.text('b'), tensor({ length: 3, shape: [3], strides: [1] })),
    );
    expect(await refusal(archive(twice))).toBe('w.bin: storage "0": expected one type and size, got two');
  });
});

describe('a file', () => {
  const data = pickle(op.dict(op.text('a'), tensor()));
  const entry = { name: 'm/data.pkl', data };
  const storage = { name: 'm/data/0', data: new Uint8Array(24) };
  const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const changed = (bytes: Uint8Array, at: number, byte: number): Uint8Array => bytes.with(at, byte);

  it.each<[string, Uint8Array, string]>([
    ['of nothing', new Uint8Array(), 'w.bin: expected a file of torch.save, got an empty file'],
    [
      'of Git LFS',
      ascii('version https://git-lfs'),
      'w.bin: expected a file of torch.save, got a Git LFS pointer (git lfs pull fetches the file itself)',
    ],
    ['of text', ascii('hello'), 'w.bin: expected a file of torch.save, got other bytes'],
    [
      'cut short',
      zip([entry, storage]).slice(0, -30),
      'w.bin: expected a complete zip archive, got one without its end: a download cut short?',
    ],
    [
      'without a pickle',
      zip([storage]),
      'w.bin: expected a zip archive of torch.save, with one data.pkl, got 0 of them',
    ],
    [
      'with two pickles',
      zip([entry, { ...entry, name: 'n/data.pkl' }]),
      'w.bin: expected a zip archive of torch.save, with one data.pkl, got 2 of them',
    ],
    ['with an entry twice', zip([entry, entry]), 'w.bin: expected one entry "m/data.pkl", got two'],
    ['that miscounts', zip([entry, storage], 3), 'w.bin: expected 3 entries, got 2'],
    [
      'of TorchScript',
      zip([entry, storage, { name: 'm/constants.pkl', data }]),
      'w.bin: expected weights of torch.save, got a TorchScript program',
    ],
    [
      'of a big-endian machine',
      zip([entry, { name: 'm/byteorder', data: ascii('big') }]),
      'w.bin: expected little-endian numbers, got big-endian',
    ],
    [
      'that is compressed',
      zip([{ ...entry, method: 8 }]),
      'w.bin: entry "m/data.pkl": expected stored data, got compression method 8',
    ],
    [
      'that is encrypted',
      zip([{ ...entry, flags: 1 }]),
      'w.bin: entry "m/data.pkl": expected plain data, got encrypted',
    ],
    [
      'with a damaged pickle',
      zip([{ ...entry, crc: 1 }]),
      'w.bin: entry "m/data.pkl": expected bytes that match their checksum, got damaged ones',
    ],
    [
      'with a damaged tensor',
      zip([entry, { ...storage, crc: 1 }]),
      'w.bin: tensor "a": expected bytes that match their checksum, got damaged ones',
    ],
    [
      'with a pickle of 4 GB',
      zip([{ ...entry, declaredLength: 2 ** 32 - 2 }]),
      'w.bin: entry "m/data.pkl": expected at most 2097152 bytes, got 4294967294',
    ],
    [
      'that needs Zip64 and has none',
      zip([{ ...entry, declaredLength: 2 ** 32 - 1 }]),
      'w.bin: entry "m/data.pkl": expected a size in its Zip64 extra, got none',
    ],
    [
      'with a header beyond its end',
      zip([{ ...entry, headerAt: 10_000 }]),
      'expected zip records within its',
    ],
    [
      'with a header elsewhere',
      zip([{ ...entry, headerAt: 1 }]),
      'w.bin: entry "m/data.pkl": expected a local header, got other bytes',
    ],
    [
      'with data beyond its end',
      zip([entry, { ...storage, declaredLength: 1000 }]),
      'w.bin: storage "0": expected 24 bytes for 6 F32, got 1000',
    ],
    [
      'that is old, with another magic number',
      changed(legacy(data), 8, 0),
      "w.bin: expected the magic number of PyTorch's files, got the number ",
    ],
    ['that is old and cut short', legacy(data).slice(0, -1), 'w.bin: storage "0": expected data to byte'],
    [
      'that is old, without its storages',
      legacy(data, [], []),
      'w.bin: storage "0": expected its data, got none',
    ],
    [
      'that is old, with a storage of its own',
      legacy(data, [op.text('0'), op.text('1')], [6, 6]),
      'w.bin: expected the key of each storage once, got the text "1"',
    ],
    [
      'that is old, with a storage twice',
      legacy(data, [op.text('0'), op.text('0')], [6, 6]),
      'w.bin: expected the key of each storage once, got the text "0"',
    ],
    [
      'that is old, with another size',
      legacy(data, [op.text('0')], [5]),
      'w.bin: storage "0": expected 6 elements, got 5',
    ],
  ])('%s is refused', async (_, bytes, message) => {
    expect(await refusal(bytes)).toContain(message);
  });

  it('may have a comment behind it', async () => {
    expect(await refusal(zip([entry, storage], 2, 'PK\x05\x06 is no end'))).toBe('none');
  });

  it.each(['new/pytorch_model.bin', 'views.bin', 'old/pytorch_model.bin', 'views-old.bin'])(
    'like %s, damaged anywhere, is read or refused in a line of ours',
    async (file) => {
      const bytes = Uint8Array.from(readFileSync(`${GOLDEN}/pytorch/${file}`));
      const directory = temporaryDirectory();
      const damage = fc.record({
        at: fc.nat(bytes.length - 1),
        run: fc.array(fc.nat(255), { minLength: 1, maxLength: 4 }),
        length: fc.option(fc.nat(bytes.length), { freq: 8 }),
      });
      await fc.assert(
        fc.asyncProperty(damage, async ({ at, run, length }) => {
          const damaged = bytes.slice();
          damaged.set(run.slice(0, bytes.length - at), at);
          const message = await refusal(damaged.subarray(0, length ?? bytes.length), directory);
          expect(message).toMatch(/^none$|^w\.bin.*expected [^]*, got /);
        }),
        { numRuns: 150 },
      );
    },
  );

  it('with any pickle, its checksum right, is read or refused in a line of ours', async () => {
    const directory = temporaryDirectory();
    const pieces = fc.constantFrom<number[]>(
      tensor(),
      tensor({ shape: [6], strides: [1] }),
      op.text('a'),
      op.int(3),
      [0x28],
      [0x74],
      [0x75],
      [0x7d],
      [0x5d],
      [0x61],
      [0x65],
      [0x73],
      [0x52],
      [0x62],
      [0x51],
      [0x71, 0],
      [0x68, 0],
      [0x94],
      [0x30],
      [0x31],
      [0x32],
      [0x29],
      [0x85],
      [0x86],
      [0x87],
      [0x93],
      [0x4e],
      op.global('collections', 'OrderedDict'),
      op.global('torch', 'FloatStorage'),
      op.global('torch._utils', '_rebuild_tensor_v2'),
      op.global('torch._utils', '_rebuild_parameter'),
    );
    const body = fc.array(fc.oneof(pieces, fc.array(fc.nat(255), { maxLength: 3 })), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(body, async (parts) => {
        const message = await refusal(archive(pickle([0x7d], ...parts)), directory);
        expect(message).toMatch(/^none$|^w\.bin.*expected [^]*, got /);
      }),
      { numRuns: 500 },
    );
  });
});
