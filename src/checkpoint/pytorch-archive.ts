/**
 * Files of `torch.save` since PyTorch 1.6: a zip archive of `NAME/data.pkl`, a pickle, and `NAME/data/KEY`, the bytes of
 * each storage.
 *
 * Reference: `_save` in `torch/serialization.py`, `caffe2/serialize/inline_container.cc`.
 */
import { crc32 } from 'node:zlib';
import { BertramError, badInput } from '../support/errors.ts';
import { unpickle } from './pickle-machine.ts';
import { MAX_PICKLE_BYTES } from './pytorch-file.ts';
import type { PickledFile, StoragePlace } from './pytorch-file.ts';
import { tensorHost } from './pytorch-tensors.ts';
import type { PickledStorage } from './pytorch-tensors.ts';
import type { ByteSource } from './safetensors-source.ts';
import { dataPosition, readZipDirectory } from './zip-directory.ts';
import type { ZipEntry } from './zip-directory.ts';

const PICKLE = '/data.pkl';

export async function readPyTorchArchive(source: ByteSource): Promise<PickledFile> {
  const { path } = source;
  const entries = await readZipDirectory(source);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    badInput(path, 'a zip archive of torch.save, with one data.pkl', `${pickles.length} of them`);
  }
  const root = pickle.slice(0, -PICKLE.length);
  if (entries.has(`${root}/constants.pkl`)) {
    throw new BertramError(
      'unsupported',
      `${path}: expected weights of torch.save, got a TorchScript program`,
    );
  }
  const byteOrder = entries.get(`${root}/byteorder`);
  if (byteOrder !== undefined && new TextDecoder().decode(await readEntry(source, byteOrder)) !== 'little') {
    throw new BertramError('unsupported', `${path}: expected little-endian numbers, got big-endian`);
  }
  const bytes = await readEntry(source, entries.get(pickle)!);
  const host = tensorHost(path);
  const { value } = unpickle(bytes, 0, host, `${path}: data.pkl`);
  const places = new Map<PickledStorage, StoragePlace>();
  for (const storage of host.storages.values()) {
    places.set(storage, await placeOf(storage, entries.get(`${root}/data/${storage.key}`), source));
  }
  return { value, places };
}

async function placeOf(
  storage: PickledStorage,
  entry: ZipEntry | undefined,
  source: ByteSource,
): Promise<StoragePlace> {
  const where = `${source.path}: storage ${JSON.stringify(storage.key)}`;
  if (entry === undefined) badInput(where, 'its entry in the archive', 'none');
  if (entry.byteLength !== storage.byteLength) {
    badInput(
      where,
      `${storage.byteLength} bytes for ${storage.length} ${storage.dtype}`,
      `${entry.byteLength}`,
    );
  }
  return { position: await dataPosition(source, entry), isIntact: (bytes) => matches(entry, bytes) };
}

async function readEntry(source: ByteSource, entry: ZipEntry): Promise<Uint8Array> {
  const where = `${source.path}: entry ${JSON.stringify(entry.name)}`;
  if (entry.byteLength > MAX_PICKLE_BYTES)
    badInput(where, `at most ${MAX_PICKLE_BYTES} bytes`, `${entry.byteLength}`);
  const bytes = new Uint8Array(entry.byteLength);
  await source.read(bytes, await dataPosition(source, entry));
  if (!matches(entry, bytes)) badInput(where, 'bytes that match their checksum', 'damaged ones');
  return bytes;
}

/** torch writes 0 where it was told to compute no checksums (`set_crc32_options`). */
function matches(entry: ZipEntry, bytes: Uint8Array): boolean {
  return entry.crc32 === 0 || crc32(bytes) === entry.crc32;
}
