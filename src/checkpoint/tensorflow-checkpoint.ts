/**
 * Checkpoints of TensorFlow 1 as `tf.train.Saver` writes them and google-research/bert published its models:
 * `bert_model.ckpt.index`, a table of variables, and their bytes in `bert_model.ckpt.data-00000-of-00001`.
 *
 * Variables come under Hugging Face's names, kernels transposed; the numbers an optimizer keeps are left out.
 *
 * Reference: `tensorflow/core/util/tensor_bundle/tensor_bundle.{h,cc}`.
 */
import { fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { BertramError, badInput, messageOf, shown } from '../support/errors.ts';
import { crc32c, maskCrc32c } from '../support/crc32c.ts';
import { openFileBytes } from './file-bytes.ts';
import { BundleEntryProtoSchema, BundleHeaderProtoSchema } from './generated/tensor-bundle_pb.ts';
import type { BundleEntryProto } from './generated/tensor-bundle_pb.ts';
import { byteLengthOf } from './safetensors-dtype.ts';
import type { Dtype } from './safetensors-dtype.ts';
import type { ByteSource } from './safetensors-source.ts';
import { StridedWeights, contiguousStrides } from './strided-weights.ts';
import type { StridedTensor } from './strided-weights.ts';
import { variableFate } from './tensorflow-names.ts';
import { readTable } from './tensorflow-table.ts';
import type { WeightSource } from './weight-source.ts';

export const TENSORFLOW_INDEX_SUFFIX = '.index';

/** BERT-large's with the slots of its optimizer is 0.1 MB. */
const MAX_INDEX_BYTES = 16 * 2 ** 20;
const MAX_SHARDS = 1000;

/** Values of the enumeration `DataType`, of `types.proto`, that have a counterpart. */
const DTYPES_BY_NUMBER: ReadonlyMap<number, Dtype> = new Map([
  [1, 'F32'],
  [2, 'F64'],
  [3, 'I32'],
  [4, 'U8'],
  [5, 'I16'],
  [6, 'I8'],
  [9, 'I64'],
  [10, 'BOOL'],
  [14, 'BF16'],
  [17, 'U16'],
  [19, 'F16'],
  [22, 'U32'],
  [23, 'U64'],
]);

/**
 * Opens a checkpoint: the index is read and verified whole, the data file by file when a tensor is read.
 *
 * @param prefix the path without `.index`, such as `uncased_L-12_H-768_A-12/bert_model.ckpt`
 * @throws BertramError `not-found` for a missing file, `bad-input` for a damaged one, `unsupported` for what
 * google-research/bert never writes: compressed blocks, big-endian numbers, partitioned variables
 */
export async function openTensorFlowCheckpoint(prefix: string): Promise<WeightSource> {
  const indexPath = prefix + TENSORFLOW_INDEX_SUFFIX;
  const index = readTable(await readWhole(indexPath), indexPath);
  const shards = await openShards(prefix, shardCount(index.get(''), indexPath));
  try {
    const located = new Map<string, StridedTensor>();
    const leftOut = new Map<string, string>();
    for (const [variable, value] of index) {
      if (variable === '') continue;
      const fate = variableFate(variable);
      if (fate.kind === 'left out') {
        leftOut.set(variable, fate.reason);
        continue;
      }
      const where = `${indexPath}: variable ${shown(variable)}`;
      const tensor = locate(decode(BundleEntryProtoSchema, value, where), shards, where);
      if (located.has(fate.name)) badInput(where, `one variable for ${fate.name}`, 'another');
      located.set(fate.name, fate.transposed ? transposed(tensor, where) : tensor);
    }
    return new StridedWeights(prefix, inOrderOfData(located), leftOut, shards);
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.close()));
    throw error;
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await openFileBytes(path);
  try {
    if (file.size > MAX_INDEX_BYTES) badInput(path, `at most ${MAX_INDEX_BYTES} bytes`, `${file.size}`);
    const bytes = new Uint8Array(file.size);
    await file.read(bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

function shardCount(header: Uint8Array | undefined, where: string): number {
  if (header === undefined) badInput(where, 'a header under the empty key', 'none');
  const { numShards, endianness } = decode(BundleHeaderProtoSchema, header, `${where}: header`);
  if (endianness !== 0) {
    throw new BertramError('unsupported', `${where}: expected little-endian numbers, got big-endian`);
  }
  if (numShards < 1 || numShards > MAX_SHARDS)
    badInput(where, `from 1 to ${MAX_SHARDS} shards`, `${numShards}`);
  return numShards;
}

async function openShards(prefix: string, count: number): Promise<ByteSource[]> {
  const digits = (value: number): string => String(value).padStart(5, '0');
  const shards: ByteSource[] = [];
  try {
    for (let i = 0; i < count; i++) {
      shards.push(await openFileBytes(`${prefix}.data-${digits(i)}-of-${digits(count)}`));
    }
    return shards;
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.close()));
    throw error;
  }
}

/** Checks an entry against itself and the file it points into, before anything is read. */
function locate(entry: BundleEntryProto, shards: readonly ByteSource[], where: string): StridedTensor {
  if (entry.slices.length > 0) {
    throw new BertramError(
      'unsupported',
      `${where}: expected a variable in one piece, got a partitioned one`,
    );
  }
  const dtype = DTYPES_BY_NUMBER.get(entry.dtype);
  if (dtype === undefined) {
    throw new BertramError('unsupported', `${where}: expected numbers, got data type ${entry.dtype}`);
  }
  const shape = entry.shape?.dim.map(({ size }) => Number(size)) ?? [];
  if (entry.shape?.unknownRank === true || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    badInput(where, 'a shape of non-negative integers', shown(shape));
  }
  const source = shards[entry.shardId];
  if (source === undefined) badInput(where, `a shard below ${shards.length}`, `${entry.shardId}`);
  const [position, byteLength] = [Number(entry.offset), Number(entry.size)];
  if (byteLength !== byteLengthOf(dtype, shape)) {
    const expected = `${byteLengthOf(dtype, shape) ?? 'countable'} bytes for ${dtype} of shape ${shown(shape)}`;
    badInput(where, expected, `${byteLength}`);
  }
  if (position < 0 || position + byteLength > source.size) {
    badInput(where, `bytes within the ${source.size} of ${source.path}`, `${byteLength} at ${position}`);
  }
  const isIntact = (bytes: Uint8Array): boolean => maskCrc32c(crc32c(bytes)) === entry.crc32c;
  return { dtype, shape, strides: contiguousStrides(shape), source, position, byteLength, isIntact };
}

function transposed(tensor: StridedTensor, where: string): StridedTensor {
  const { shape, strides } = tensor;
  if (shape.length !== 2) badInput(where, 'a matrix', `shape ${shown(shape)}`);
  return { ...tensor, shape: shape.toReversed(), strides: strides.toReversed() };
}

/** So that whoever reads all reads forward. */
function inOrderOfData(located: ReadonlyMap<string, StridedTensor>): ReadonlyMap<string, StridedTensor> {
  const files = (tensor: StridedTensor): string => tensor.source.path;
  return new Map(
    [...located].sort(
      ([, a], [, b]) => (files(a) === files(b) ? 0 : files(a) < files(b) ? -1 : 1) || a.position - b.position,
    ),
  );
}

function decode<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
  where: string,
): MessageShape<Schema> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    badInput(where, `a ${schema.name}`, messageOf(error));
  }
}
