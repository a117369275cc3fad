/**
 * Files of `torch.save` before PyTorch 1.6, as most of the Hub's old BERTs are: five pickles one behind the other (magic
 * number, protocol, system, the object, keys of storages), then for each key the number of elements and the bytes.
 *
 * Reference: `_legacy_save` in `torch/serialization.py`.
 */
import { BertramError, badInput, shown } from '../support/errors.ts';
import { kindOf, unpickle } from './pickle-machine.ts';
import { MAX_PICKLE_BYTES } from './pytorch-file.ts';
import type { PickledFile, StoragePlace } from './pytorch-file.ts';
import { tensorHost } from './pytorch-tensors.ts';
import type { PickledStorage } from './pytorch-tensors.ts';
import type { ByteSource } from './safetensors-source.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** The number of elements before the bytes of a storage. */
const COUNT_BYTES = 8;

export async function readLegacyPyTorch(source: ByteSource): Promise<PickledFile> {
  const { path } = source;
  const bytes = new Uint8Array(Math.min(source.size, MAX_PICKLE_BYTES));
  await source.read(bytes, 0);
  const host = tensorHost(path);
  let end = 0;
  const next = (what: string): unknown => {
    const unpickled = unpickle(bytes, end, host, `${path}: ${what}`);
    end = unpickled.end;
    return unpickled.value;
  };
  const magic = next('magic number');
  if (magic !== MAGIC) badInput(path, "the magic number of PyTorch's files", kindOf(magic));
  const protocol = next('protocol');
  if (protocol !== PROTOCOL) badInput(path, `protocol ${PROTOCOL}`, kindOf(protocol));
  const system = next('system');
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    throw new BertramError('unsupported', `${path}: expected little-endian numbers, got others`);
  }
  const value = next('object');
  const keys = next('keys of storages');
  if (!Array.isArray(keys)) badInput(path, 'a list of keys of storages', kindOf(keys));
  return { value, places: await storagePlaces(source, host.storages, keys, end) };
}

/** Walks over the storages, which lie in the order of their keys. */
async function storagePlaces(
  source: ByteSource,
  storages: ReadonlyMap<string, PickledStorage>,
  keys: readonly unknown[],
  start: number,
): Promise<ReadonlyMap<PickledStorage, StoragePlace>> {
  const { path, size } = source;
  const places = new Map<PickledStorage, StoragePlace>();
  let position = start;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined || places.has(storage)) {
      badInput(path, 'the key of each storage once', kindOf(key));
    }
    const where = `${path}: storage ${shown(storage.key)}`;
    const end = position + COUNT_BYTES + storage.byteLength;
    if (end > size) badInput(where, `data to byte ${end}`, `a file of ${size}: a download cut short?`);
    const count = new Uint8Array(COUNT_BYTES);
    await source.read(count, position);
    const length = new DataView(count.buffer).getBigInt64(0, true);
    if (length !== BigInt(storage.length)) {
      badInput(where, `${storage.length} elements`, length.toString());
    }
    places.set(storage, { position: position + COUNT_BYTES });
    position = end;
  }
  for (const storage of storages.values()) {
    if (!places.has(storage)) badInput(`${path}: storage ${shown(storage.key)}`, 'its data', 'none');
  }
  return places;
}
