/** The tensors of a safetensors file, read by the format's description and not by the code under test. */
import { readFileSync } from 'node:fs';

export function readSafetensorsFloats(path: string): ReadonlyMap<string, Float32Array> {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { readonly dtype: string; readonly data_offsets: readonly [number, number] }
  >;
  const tensors = new Map<string, Float32Array>();
  for (const [name, { dtype, data_offsets: offsets }] of Object.entries(header)) {
    if (dtype !== 'F32') continue;
    const [begin, end] = offsets.map((offset) => 8 + headerLength + offset) as [number, number];
    tensors.set(name, new Float32Array(bytes.buffer.slice(bytes.byteOffset + begin, bytes.byteOffset + end)));
  }
  return tensors;
}
