/**
 * Checkpoints that TensorFlow's own Saver wrote (scripts/golden/tensorflow_checkpoints.py), against the same BERT in
 * safetensors, written by transformers; and damaged ones.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { copyFileSync, cpSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BundleEntryProtoSchema,
  BundleHeaderProtoSchema,
} from '../../src/checkpoint/generated/tensor-bundle_pb.ts';
import { openModelWeights, openWeights } from '../../src/checkpoint/model-directory.ts';
import { openTensorFlowCheckpoint } from '../../src/checkpoint/tensorflow-checkpoint.ts';
import { variableFate } from '../../src/checkpoint/tensorflow-names.ts';
import { readTable } from '../../src/checkpoint/tensorflow-table.ts';
import type { WeightSource } from '../../src/checkpoint/weight-source.ts';
import { maskedCrc32c } from '../../src/support/crc32c.ts';
import { BertramError } from '../../src/support/errors.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { indexOf, sealed, tableOf, varint, type BlockOptions, type Entry } from './tensorflow-index.ts';

const GOLDEN = 'test/golden/checkpoint';
const DATA = 'bert_model.ckpt.data-00000-of-00001';

async function readAll(source: WeightSource): Promise<Record<string, [readonly number[], Float32Array]>> {
  const all: Record<string, [readonly number[], Float32Array]> = {};
  for (const [name, { shape }] of source.tensors) all[name] = [shape, await source.readFloat32(name)];
  await source.close();
  return all;
}

/** The message of what must fail, without the directory. */
async function refusal(work: Promise<unknown>, directory: string): Promise<string> {
  const error: unknown = await work.then(
    () => new Error('no failure'),
    (reason: unknown) => reason,
  );
  return error instanceof BertramError
    ? error.message.replaceAll(directory, 'DIR')
    : `not ours: ${String(error)}`;
}

describe('a checkpoint of TensorFlow', () => {
  it('is the model that transformers wrote, kernels turned', async () => {
    const expected = await readAll(await openModelWeights(`${GOLDEN}/bert`));
    const source = await openModelWeights(`${GOLDEN}/tensorflow`);
    expect(source.path).toBe(join(GOLDEN, 'tensorflow', 'bert_model.ckpt'));
    expect(source.tensors.get('bert.encoder.layer.1.intermediate.dense.weight')).toEqual({
      dtype: 'F32',
      shape: [7, 6],
      byteLength: 168,
      file: join(GOLDEN, 'tensorflow', DATA),
    });
    expect(await readAll(source)).toEqual(expected);
  });

  it('says what it leaves out', async () => {
    const source = await openTensorFlowCheckpoint(`${GOLDEN}/tensorflow/bert_model.ckpt`);
    await source.close();
    const slots = ['bert/pooler/dense/bias', 'bert/pooler/dense/kernel', 'cls/predictions/output_bias']
      .concat('cls/seq_relationship/output_bias')
      .flatMap((name) => [`${name}/adam_m`, `${name}/adam_v`]);
    expect([...source.leftOut]).toEqual([
      ...slots.map((name) => [name, 'an optimizer slot']),
      ['global_step', 'a counter of training'],
    ]);
  });

  it('may lie in several files', async () => {
    const expected = await readAll(await openModelWeights(`${GOLDEN}/bert`));
    const source = await openTensorFlowCheckpoint(`${GOLDEN}/tensorflow-squad/model.ckpt-12`);
    const files = new Set(Array.from(source.tensors.values(), ({ file }) => file));
    expect(files.size).toBe(2);
    const squad = await readAll(source);
    const wave = (count: number, phase: number): Float32Array =>
      Float32Array.from({ length: count }, (_, i) => Math.sin(1.618033988749895 * (i + 1) + phase));
    expect(squad['qa_outputs.weight']).toEqual([[2, 6], wave(12, 100)]);
    expect(squad['qa_outputs.bias']).toEqual([[2], wave(2, 101)]);
    for (const name of Object.keys(expected).filter((name) => name.startsWith('bert.'))) {
      expect(squad[name], name).toEqual(expected[name]);
    }
    expect(Object.keys(squad)).toHaveLength(41);
  });

  it('is the last of a run, the only one there is, or the one that is named', async () => {
    const run = temporaryDirectory();
    cpSync(`${GOLDEN}/tensorflow-squad`, run, { recursive: true });
    const opened = async (path: string): Promise<string> => {
      const source = await openWeights(path);
      await source.close();
      return source.path.replace(run, 'DIR');
    };
    expect(await opened(run)).toBe(join('DIR', 'model.ckpt-12'));
    // The directory of the machine that trained.
    writeFileSync(join(run, 'checkpoint'), 'model_checkpoint_path: "/home/google/run/model.ckpt-7"\n');
    expect(await opened(run)).toBe(join('DIR', 'model.ckpt-7'));
    expect(await opened(join(run, 'model.ckpt-12'))).toBe(join('DIR', 'model.ckpt-12'));
    expect(await opened(join(run, 'model.ckpt-12.index'))).toBe(join('DIR', 'model.ckpt-12'));
    rmSync(join(run, 'checkpoint'));
    expect(await refusal(openWeights(run), run)).toMatchInlineSnapshot(
      `"DIR: expected one checkpoint, or a file "checkpoint" that names one of them, got "model.ckpt-12", "model.ckpt-7""`,
    );
    rmSync(join(run, 'model.ckpt-12.index'));
    expect(await opened(run)).toBe(join('DIR', 'model.ckpt-7'));
  });
});

describe('variables', () => {
  it.each([
    [
      'bert/encoder/layer_11/attention/output/dense/kernel',
      'bert.encoder.layer.11.attention.output.dense.weight',
      true,
    ],
    ['bert/encoder/layer_0/output/LayerNorm/gamma', 'bert.encoder.layer.0.output.LayerNorm.weight', false],
    ['bert/embeddings/LayerNorm/beta', 'bert.embeddings.LayerNorm.bias', false],
    ['bert/embeddings/token_type_embeddings', 'bert.embeddings.token_type_embeddings.weight', false],
    ['cls/predictions/transform/dense/kernel', 'cls.predictions.transform.dense.weight', true],
    ['cls/seq_relationship/output_weights', 'cls.seq_relationship.weight', false],
    ['cls/squad/output_bias', 'qa_outputs.bias', false],
    ['output_weights', 'classifier.weight', false],
  ])('%s is %s', (variable, name, transposed) => {
    expect(variableFate(variable)).toEqual({ kind: 'parameter', name, transposed });
  });

  it.each([
    ['bert/encoder/layer_0/output/dense/kernel/adam_v', 'an optimizer slot'],
    ['global_step', 'a counter of training'],
    // ALBERT's, and others that only look alike.
    ['bert/encoder/transformer/group_0/inner_group_0/LayerNorm_1/gamma', 'not a variable of BERT'],
    ['bert/encoder/layer_0/output/dense/gamma', 'not a variable of BERT'],
    ['xbert/pooler/dense/kernel', 'not a variable of BERT'],
    ['', 'not a variable of BERT'],
  ])('%s is left out: %s', (variable, reason) => {
    expect(variableFate(variable)).toEqual({ kind: 'left out', reason });
  });
});

const HEADER: Entry = [
  '',
  [...toBinary(BundleHeaderProtoSchema, create(BundleHeaderProtoSchema, { numShards: 1 }))],
];

interface Fields {
  readonly dtype?: number;
  readonly sizes?: readonly number[];
  readonly shardId?: number;
  readonly offset?: number;
  readonly size?: number;
  readonly slices?: number;
}

/** A variable [2, 3] of floats that is all right, unless told. */
function entry({
  dtype = 1,
  sizes = [2, 3],
  shardId = 0,
  offset = 0,
  size = 24,
  slices = 0,
}: Fields = {}): number[] {
  const message = create(BundleEntryProtoSchema, {
    dtype,
    shape: { dim: sizes.map((length) => ({ size: BigInt(length) })) },
    shardId,
    offset: BigInt(offset),
    size: BigInt(size),
    crc32c: maskedCrc32c(new Uint8Array(24)),
    slices: Array.from({ length: slices }, () => ({})),
  });
  return [...toBinary(BundleEntryProtoSchema, message)];
}

const VARIABLE = 'bert/pooler/dense/kernel';

/** Opens a checkpoint of this index and 24 bytes of zeros. */
async function openIndex(index: Uint8Array, directory: string): Promise<WeightSource> {
  writeFileSync(join(directory, 'a.ckpt.index'), index);
  writeFileSync(join(directory, 'a.ckpt.data-00000-of-00001'), new Uint8Array(24));
  return openTensorFlowCheckpoint(join(directory, 'a.ckpt'));
}

describe('a damaged checkpoint', () => {
  it('is refused where it is damaged, variable by variable', async () => {
    const directory = temporaryDirectory();
    cpSync(`${GOLDEN}/tensorflow`, directory, { recursive: true });
    const data = readFileSync(join(directory, DATA));
    data[data.length - 9]! ^= 1;
    writeFileSync(join(directory, DATA), data);
    const source = await openModelWeights(directory);
    const failures: string[] = [];
    for (const name of source.tensors.keys()) {
      await source
        .readFloat32(name)
        .catch((error: unknown) => failures.push(String(error).replaceAll(directory, 'DIR')));
    }
    await source.close();
    expect(failures).toMatchInlineSnapshot(`
      [
        "BertramError: DIR/bert_model.ckpt.data-00000-of-00001: tensor "cls.seq_relationship.weight": expected bytes that match their checksum, got damaged ones",
      ]
    `);
  });

  it('is refused for any bit that is changed in its index', async () => {
    const directory = temporaryDirectory();
    cpSync(`${GOLDEN}/tensorflow`, directory, { recursive: true });
    const path = join(directory, 'bert_model.ckpt.index');
    const index = readFileSync(path);
    // What lies before the magic number is padding.
    for (let i = 0; i < index.length; i += i < index.length - 48 ? 13 : 1) {
      if (i >= index.length - 40 && i < index.length - 8) continue;
      const changed = Uint8Array.from(index);
      changed[i]! ^= 1 << (i % 8);
      writeFileSync(path, changed);
      expect(await refusal(openModelWeights(directory), directory), `byte ${i}`).toMatch(
        /^DIR.*expected .*, got /,
      );
    }
  });

  it.each<[string, readonly Entry[], BlockOptions | undefined, string]>([
    [
      'no header',
      [['a', []]],
      undefined,
      'DIR/a.ckpt.index: expected a header under the empty key, got none',
    ],
    [
      'snappy',
      [HEADER],
      { compression: 1 },
      'DIR/a.ckpt.index: block at 0: expected no compression, got snappy',
    ],
    [
      'more restarts than fit',
      [HEADER],
      { restarts: 1000 },
      'DIR/a.ckpt.index: block: expected at most 2 restarts, got 1000',
    ],
    [
      'keys out of order',
      [HEADER, ['b', entry()], ['a', entry()]],
      undefined,
      'DIR/a.ckpt.index: expected keys in order, got "a"',
    ],
    [
      'a big-endian machine',
      [
        [
          '',
          [
            ...toBinary(
              BundleHeaderProtoSchema,
              create(BundleHeaderProtoSchema, { numShards: 1, endianness: 1 }),
            ),
          ],
        ],
      ],
      undefined,
      'DIR/a.ckpt.index: expected little-endian numbers, got big-endian',
    ],
    [
      'two billion files',
      [['', [8, ...varint(2 ** 31 - 1)]]],
      undefined,
      'DIR/a.ckpt.index: expected from 1 to 1000 shards, got 2147483647',
    ],
    [
      'an entry that is no message',
      [HEADER, [VARIABLE, [0xff, 0xff]]],
      undefined,
      `DIR/a.ckpt.index: variable "${VARIABLE}": expected a BundleEntryProto, got premature EOF`,
    ],
    ...(
      [
        [{ slices: 1 }, 'expected a variable in one piece, got a partitioned one'],
        [{ dtype: 7 }, 'expected numbers, got data type 7'],
        [{ sizes: [-2, -3] }, 'expected a shape of non-negative integers, got [-2,-3]'],
        [{ shardId: 1 }, 'expected a shard below 1, got 1'],
        [{ sizes: [2, 4] }, 'expected 32 bytes for F32 of shape [2,4], got 24'],
        [
          { sizes: [2 ** 40, 2 ** 40] },
          'expected countable bytes for F32 of shape [1099511627776,1099511627776], got 24',
        ],
        [{ offset: 4 }, 'expected bytes within the 24 of DIR/a.ckpt.data-00000-of-00001, got 24 at 4'],
        [{ offset: -8 }, 'expected bytes within the 24 of DIR/a.ckpt.data-00000-of-00001, got 24 at -8'],
        [{ sizes: [6] }, 'expected a matrix, got shape [6]'],
      ] as const
    ).map(([fields, message]): [string, readonly Entry[], undefined, string] => [
      message,
      [HEADER, [VARIABLE, entry(fields)]],
      undefined,
      `DIR/a.ckpt.index: variable "${VARIABLE}": ${message}`,
    ]),
  ])('is refused: %s', async (_, entries, options, message) => {
    const directory = temporaryDirectory();
    expect(await refusal(openIndex(indexOf(entries, options), directory), directory)).toBe(message);
  });

  it('has its whole index checked before anything is opened for good', async () => {
    const directory = temporaryDirectory();
    const source = await openIndex(indexOf([HEADER, [VARIABLE, entry()]]), directory);
    expect(await source.readFloat32('bert.pooler.dense.weight')).toEqual(new Float32Array(6));
    expect(source.tensors.get('bert.pooler.dense.weight')?.shape).toEqual([3, 2]);
    await source.close();
    renameSync(join(directory, 'a.ckpt.data-00000-of-00001'), join(directory, 'elsewhere'));
    expect(await refusal(openWeights(join(directory, 'a.ckpt')), directory)).toMatchInlineSnapshot(
      `"DIR/a.ckpt.data-00000-of-00001: cannot be read: no such file or directory (ENOENT)"`,
    );
    copyFileSync('package.json', join(directory, 'a.ckpt.index'));
    expect(await refusal(openWeights(join(directory, 'a.ckpt')), directory)).toMatch(
      /^DIR\/a\.ckpt\.index: expected a TensorFlow checkpoint index ending in 0xdb4775248b80fb57, got 0x/,
    );
    writeFileSync(join(directory, 'a.ckpt.index'), '');
    expect(await refusal(openWeights(join(directory, 'a.ckpt')), directory)).toBe(
      'DIR/a.ckpt.index: expected at least the 48 bytes of a footer, got a file of 0',
    );
    expect(readdirSync(directory)).toHaveLength(2);
  });
});

describe('readTable', () => {
  it('spells out keys that share their beginnings', () => {
    const text = (value: string): number[] => Array.from(value, (c) => c.charCodeAt(0));
    const entries = [0, 4, 1, ...text('bert'), 1, 2, 3, 1, ...text('xyz'), 2, 5, 0, 1, 3];
    // bert, bexyz, and then bexyz again, which shares all.
    const repeated = sealed([...entries, 0, 0, 0, 0, 1, 0, 0, 0]);
    expect(() => readTable(tableOf([repeated]), 'index')).toThrow(
      'index: expected keys in order, got "bexyz"',
    );
    const good = sealed([...entries.slice(0, 15), 0, 0, 0, 0, 1, 0, 0, 0]);
    expect([...readTable(tableOf([good]), 'index')]).toEqual([
      ['bert', Uint8Array.of(1)],
      ['bexyz', Uint8Array.of(2)],
    ]);
    expect(() => readTable(tableOf([good], 2), 'index')).toThrow('index: expected keys in order, got "bert"');
    const empty = sealed([0, 0, 0, 0, 1, 0, 0, 0]);
    expect(() => readTable(tableOf([empty]), 'index')).toThrow(
      'index: expected blocks with entries, got an empty one',
    );
  });

  it('makes an error of its own of any block, its checksum right', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(255), { maxLength: 60 }), (contents) => {
        try {
          readTable(tableOf([sealed(contents)]), 'index');
        } catch (error) {
          expect(error).toBeInstanceOf(BertramError);
          expect((error as BertramError).message).toMatch(/^index.*expected .*, got /);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('makes an error of its own of any entry, its checksum right', async () => {
    const directory = temporaryDirectory();
    const good = entry();
    const mutation = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), cut: fc.nat(good.length) });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at, byte, cut }) => {
        const value = good.with(at, byte).slice(0, cut % 2 === 0 ? undefined : cut);
        try {
          const source = await openIndex(indexOf([HEADER, [VARIABLE, value]]), directory);
          try {
            for (const name of source.tensors.keys()) await source.read(name);
          } finally {
            await source.close();
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BertramError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
