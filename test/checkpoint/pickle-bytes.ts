/** Writes pickles, well formed or hostile, and the two formats of `torch.save` around them. */
import { crc32 } from 'node:zlib';

const ascii = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));
const little = (value: number, width: number): number[] =>
  Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** i) % 256);

/** Instructions by what they do, in protocol 2. */
export const op = {
  global: (module: string, name: string): number[] => [0x63, ...ascii(`${module}\n${name}\n`)],
  text: (text: string): number[] => [0x58, ...little(text.length, 4), ...ascii(text)],
  int: (value: number): number[] => [0x4a, ...little(value < 0 ? value + 2 ** 32 : value, 4)],
  tuple: (...items: number[][]): number[] => [0x28, ...items.flat(), 0x74],
  dict: (...items: number[][]): number[] => [0x7d, 0x28, ...items.flat(), 0x75],
  call: (callee: number[], args: number[]): number[] => [...callee, ...args, 0x52],
};

export function pickle(...body: number[][]): Uint8Array {
  return Uint8Array.from([0x80, 2, ...body.flat(), 0x2e]);
}

export interface TensorFields {
  readonly key?: string;
  readonly type?: string;
  readonly length?: number;
  readonly offset?: number;
  readonly shape?: readonly number[];
  readonly strides?: readonly number[];
}

/** A tensor [2, 3] of floats that is all right, unless told. */
export function tensor({
  key = '0',
  type = 'FloatStorage',
  length = 6,
  offset = 0,
  shape = [2, 3],
  strides = [3, 1],
}: TensorFields = {}): number[] {
  const parts = [op.text('storage'), op.global('torch', type), op.text(key), op.text('cpu'), op.int(length)];
  const storage = [...op.tuple(...parts), 0x51];
  const tuple = (sizes: readonly number[]): number[] => op.tuple(...sizes.map(op.int));
  const hooks = op.call(op.global('collections', 'OrderedDict'), op.tuple());
  return op.call(
    op.global('torch._utils', '_rebuild_tensor_v2'),
    op.tuple(storage, op.int(offset), tuple(shape), tuple(strides), [0x89], hooks),
  );
}

export interface ZipEntryFields {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  readonly declaredLength?: number;
  readonly headerAt?: number;
}

/** A zip archive without Zip64, as other programs than torch write it. */
export function zip(entries: readonly ZipEntryFields[], count = entries.length, comment = ''): Uint8Array {
  const bytes: number[] = [];
  const directory: number[] = [];
  for (const { name, data, method = 0, flags = 0, crc = crc32(data), declaredLength, headerAt } of entries) {
    const length = declaredLength ?? data.length;
    const fields = [...little(flags, 2), ...little(method, 2), ...little(0, 4), ...little(crc, 4)];
    const sizes = [...little(length, 4), ...little(length, 4), ...little(name.length, 2), 0, 0];
    directory.push(...ascii('PK\x01\x02'), 20, 0, 20, 0, ...fields, ...sizes, ...little(0, 10));
    directory.push(...little(headerAt ?? bytes.length, 4), ...ascii(name));
    bytes.push(...ascii('PK\x03\x04'), 20, 0, ...fields, ...sizes, ...ascii(name));
    // One by one: a million arguments are too many for any function.
    for (const byte of data) bytes.push(byte);
  }
  const end = [...ascii('PK\x05\x06'), 0, 0, 0, 0, ...little(count, 2), ...little(count, 2)];
  end.push(...little(directory.length, 4), ...little(bytes.length, 4), ...little(comment.length, 2));
  return Uint8Array.from([...bytes, ...directory, ...end, ...ascii(comment)]);
}

/** A new file of `torch.save` with this pickle and 24 bytes under `data/0`. */
export function archive(data: Uint8Array): Uint8Array {
  return zip([
    { name: 'model/data.pkl', data },
    { name: 'model/data/0', data: new Uint8Array(24) },
  ]);
}

/** An old file of `torch.save` with this pickle and six floats. */
export function legacy(data: Uint8Array, keys = [op.text('0')], counts = [6]): Uint8Array {
  const magic = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
  const pickles = [
    pickle(magic),
    pickle(op.int(1001)),
    pickle(op.dict(op.text('little_endian'), [0x88])),
    data,
    pickle([0x5d, 0x28, ...keys.flat(), 0x65]),
  ];
  const storages = counts.flatMap((count) => [...little(count, 8), ...little(0, 24)]);
  return Uint8Array.from([...pickles.flatMap((each) => [...each]), ...storages]);
}
