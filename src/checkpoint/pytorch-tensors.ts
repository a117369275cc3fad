/**
 * What a pickle of `torch.save` may name: the types of storages and the functions that make tensors of them. Everything
 * else, as an optimizer's or a trainer's own classes, is refused by name.
 *
 * Reference: `torch/_utils.py` (`_rebuild_tensor_v2`, `_rebuild_parameter`) and `persistent_id` in
 * `torch/serialization.py`.
 */
import { badInput, shown } from '../support/errors.ts';
import { PickleGlobal, kindOf } from './pickle-machine.ts';
import type { PickleHost } from './pickle-machine.ts';
import { DTYPES, elementCount } from './safetensors-dtype.ts';
import type { Dtype } from './safetensors-dtype.ts';
import { elementSpan } from './strided-weights.ts';

/** A stretch of memory that tensors are views of. Its bytes lie elsewhere in the file. */
export class PickledStorage {
  readonly key: string;
  readonly dtype: Dtype;
  /** Elements. */
  readonly length: number;

  constructor(key: string, dtype: Dtype, length: number) {
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }

  get byteLength(): number {
    return (this.length * DTYPES[this.dtype].bits) / 8;
  }
}

/** A view of a storage, known to be within it. */
export class PickledTensor {
  readonly storage: PickledStorage;
  /** In elements from the start of the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: PickledStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

const STORAGE_TYPES: ReadonlyMap<string, Dtype> = new Map([
  ['torch.FloatStorage', 'F32'],
  ['torch.DoubleStorage', 'F64'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);

/** The host of a file's pickles, and the storages that they have named so far. */
export interface TensorHost extends PickleHost {
  readonly storages: ReadonlyMap<string, PickledStorage>;
}

/** @param where the file, to open error lines */
export function tensorHost(where: string): TensorHost {
  const storages = new Map<string, PickledStorage>();
  const rebuildTensor = ([storage, offset, shape, strides]: readonly unknown[]): PickledTensor =>
    viewOf(storage, offset, shape, strides, where);
  const rebuildParameter = ([tensor]: readonly unknown[]): PickledTensor => {
    if (!(tensor instanceof PickledTensor)) badInput(where, 'a tensor in a parameter', kindOf(tensor));
    return tensor;
  };
  const globals = [
    new PickleGlobal('collections.OrderedDict', () => new Map()),
    new PickleGlobal('torch._utils._rebuild_tensor', rebuildTensor),
    new PickleGlobal('torch._utils._rebuild_tensor_v2', rebuildTensor),
    new PickleGlobal('torch._utils._rebuild_parameter', rebuildParameter),
    new PickleGlobal('torch.nn.parameter.Parameter', rebuildParameter),
    ...Array.from(STORAGE_TYPES.keys(), (name) => new PickleGlobal(name)),
  ];
  return {
    globals: new Map(globals.map((global) => [global.name, global])),
    storages,
    persistent: (id) => {
      const storage = storageOf(id, where);
      const other = storages.get(storage.key);
      if (other === undefined) storages.set(storage.key, storage);
      else if (other.dtype !== storage.dtype || other.length !== storage.length) {
        badInput(`${where}: storage ${shown(storage.key)}`, 'one type and size', 'two');
      }
      return other ?? storage;
    },
  };
}

/** From `('storage', torch.FloatStorage, key, location, elements)`; older versions have a view behind it. */
function storageOf(id: unknown, where: string): PickledStorage {
  const [tag, type, key, , length, view = null] = Array.isArray(id) ? (id as readonly unknown[]) : [];
  if (tag !== 'storage')
    badInput(where, 'a persistent id of a storage', kindOf(Array.isArray(id) ? tag : id));
  const name = type instanceof PickleGlobal ? type.name : kindOf(type);
  const dtype = STORAGE_TYPES.get(name);
  if (dtype === undefined) badInput(where, 'a type of storages', name);
  if (typeof key !== 'string') badInput(where, 'the key of a storage', kindOf(key));
  const place = `${where}: storage ${shown(key)}`;
  if (!isCount(length)) badInput(place, 'a number of elements', kindOf(length));
  if (view !== null) badInput(place, 'a storage of its own', 'a view of another');
  return new PickledStorage(key, dtype, length);
}

function viewOf(
  storage: unknown,
  offset: unknown,
  shape: unknown,
  strides: unknown,
  where: string,
): PickledTensor {
  if (!(storage instanceof PickledStorage)) badInput(where, 'a storage in a tensor', kindOf(storage));
  const place = `${where}: tensor in storage ${shown(storage.key)}`;
  if (!isCount(offset)) badInput(place, 'an offset from 0', kindOf(offset));
  if (!isCounts(shape)) badInput(place, 'a shape of integers from 0', kindOf(shape));
  if (!isCounts(strides) || strides.length !== shape.length) {
    badInput(place, `${shape.length} strides from 0`, Array.isArray(strides) ? 'others' : kindOf(strides));
  }
  const count = elementCount(shape);
  const end = offset + elementSpan(shape, strides);
  if (end > storage.length) badInput(place, `a view within its ${storage.length} elements`, `one to ${end}`);
  // A stride of 0 repeats elements: no parameter does, and one element could fill all memory.
  if (count === undefined || count > storage.length) {
    badInput(place, `at most its ${storage.length} elements`, `shape ${shown(shape)}`);
  }
  return new PickledTensor(storage, offset, shape, strides);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** No array of torch has more axes than 64. */
function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isCount);
}
