/**
 * From a weight source to the parameters a model wants: names matched, shapes checked before anything is read, values
 * checked to be finite, what is missing and what is left over reported.
 */
import { BertramError, badInput, shown } from '../support/errors.ts';
import { firstNonFinite } from './finite-check.ts';
import { canonicalName, tiedName } from './parameter-names.ts';
import { SCALE_SUFFIX, dequantizeRows } from './quantized-matrix.ts';
import type { QuantizedMatrix } from './quantized-matrix.ts';
import type { TensorEntry, WeightSource } from './weight-source.ts';

/** A parameter a model has. */
export interface WantedParameter {
  /** Its Hugging Face name, `bert.embeddings.word_embeddings.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Where its values shall go, such as a part of one flat buffer; a new array if not given. */
  readonly into?: Float32Array;
}

export interface LoadOptions {
  /** Leave 8-bit matrices as they are, in `quantized`, instead of turning them to floats. Default false. */
  readonly keepQuantized?: boolean;
  /** Load NaN and infinities as well. Default false. */
  readonly allowNonFinite?: boolean;
}

export interface LoadedParameters {
  /** In the order they were wanted. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** With `keepQuantized`, the 8-bit matrices; they are not in `parameters`. */
  readonly quantized: ReadonlyMap<string, QuantizedMatrix>;
  /** Wanted, but not in the source. */
  readonly missing: readonly string[];
  /** In the source, under these names, but not wanted. */
  readonly unexpected: readonly string[];
}

/** A wanted parameter with the tensor that holds it. */
interface Match {
  readonly parameter: WantedParameter;
  /** Its name in the source. */
  readonly tensor: string;
  readonly entry: TensorEntry;
  /** The tensor of its scales, if it is quantised. */
  readonly scales: string | undefined;
}

/**
 * Loads parameters as 32-bit floats, from F32, F16, BF16, F64, or I8 with scales.
 *
 * Whether a missing parameter matters is for the caller to say: a freshly added head is missing by right.
 *
 * @throws BertramError `bad-input` naming the tensor and its file: for a shape that differs, an element type that holds
 * no floats, a value that is not finite, two tensors that are the same parameter
 */
export async function loadParameters(
  source: WeightSource,
  wanted: Iterable<WantedParameter>,
  options: LoadOptions = {},
): Promise<LoadedParameters> {
  const stored = storedByName(source);
  const requests = [...wanted];
  const matches: Match[] = [];
  const missing: string[] = [];
  for (const parameter of requests) {
    const match = findMatch(source, stored, parameter);
    if (match === undefined) missing.push(parameter.name);
    else matches.push(match);
  }
  const used = new Set(
    matches.flatMap(({ tensor, scales }) => (scales === undefined ? [tensor] : [tensor, scales])),
  );
  const unexpected = await unusedTensors(source, stored, used);

  const floats = new Map<string, Float32Array>();
  const quantized = new Map<string, QuantizedMatrix>();
  // In the order of the file, so that the disk is read forward.
  const order = new Map(Array.from(source.tensors.keys(), (name, position) => [name, position]));
  matches.sort((a, b) => order.get(a.tensor)! - order.get(b.tensor)!);
  for (const match of matches) {
    const { name, into } = match.parameter;
    const matrix = match.scales === undefined ? undefined : await readQuantized(source, match, match.scales);
    if (matrix !== undefined && options.keepQuantized === true) {
      quantized.set(name, matrix);
      continue;
    }
    const values = matrix ? dequantizeRows(matrix, into) : await source.readFloat32(match.tensor, into);
    if (options.allowNonFinite !== true) checkFinite(values, match);
    floats.set(name, values);
  }
  const parameters = new Map<string, Float32Array>();
  for (const { name } of requests) {
    const values = floats.get(name);
    if (values !== undefined) parameters.set(name, values);
  }
  return { parameters, quantized, missing, unexpected };
}

/** The tensors of a source by their canonical names, without buffers: canonical name to the source's own. */
export function storedByName(source: WeightSource): ReadonlyMap<string, string> {
  const stored = new Map<string, string>();
  for (const name of source.tensors.keys()) {
    const canonical = canonicalName(name);
    if (canonical === undefined) continue;
    const other = stored.get(canonical);
    if (other !== undefined) {
      badInput(source.path, `one tensor for ${canonical}`, `both ${shown(other)} and ${shown(name)}`);
    }
    stored.set(canonical, name);
  }
  return stored;
}

/** Finds the tensor of a parameter, under its own name or the one it is tied to, and checks its shape. */
function findMatch(
  source: WeightSource,
  stored: ReadonlyMap<string, string>,
  parameter: WantedParameter,
): Match | undefined {
  const { name, shape, into } = parameter;
  const canonical = stored.has(name) ? name : (tiedName(name) ?? name);
  const tensor = stored.get(canonical);
  if (tensor === undefined) return undefined;
  const entry = source.tensors.get(tensor)!;
  const where = `${entry.file}: ${describe(name, tensor)}`;
  checkShape(where, shape, entry.shape);
  if (into !== undefined && into.length !== product(shape)) {
    badInput(where, `room for ${product(shape)} values`, `${into.length}`);
  }
  if (entry.dtype !== 'I8') return { parameter, tensor, entry, scales: undefined };
  const scales = stored.get(canonical + SCALE_SUFFIX);
  const scalesEntry = source.tensors.get(scales ?? '');
  if (scales === undefined || scalesEntry === undefined) {
    badInput(where, `scales of its I8 values in ${shown(tensor + SCALE_SUFFIX)}`, 'none');
  }
  if (entry.shape.length !== 2) badInput(where, 'I8 values as a matrix', `shape ${shown(entry.shape)}`);
  checkShape(`${scalesEntry.file}: tensor ${shown(scales)}`, entry.shape.slice(0, 1), scalesEntry.shape);
  return { parameter, tensor, entry, scales };
}

/**
 * The tensors nobody asked for. One that merely repeats a parameter under its tied name is no surprise; but if it
 * differs, the model was trained untied, and loading half of it would be a silent error.
 */
async function unusedTensors(
  source: WeightSource,
  stored: ReadonlyMap<string, string>,
  used: ReadonlySet<string>,
): Promise<string[]> {
  const unexpected: string[] = [];
  for (const [canonical, name] of stored) {
    if (used.has(name)) continue;
    const twin = stored.get(tiedName(canonical) ?? '');
    if (twin === undefined || !used.has(twin)) unexpected.push(name);
    else await checkRepeats(source, name, twin);
  }
  return [...unexpected, ...source.unlisted];
}

/** @throws BertramError `unsupported` when a tensor differs from the one that it should repeat */
export async function checkRepeats(source: WeightSource, name: string, twin: string): Promise<void> {
  if (await haveEqualBytes(source, name, twin)) return;
  throw new BertramError(
    'unsupported',
    `${source.path}: expected ${shown(name)} to repeat ${shown(twin)}, to which BERT ties it, got other values`,
  );
}

async function haveEqualBytes(source: WeightSource, a: string, b: string): Promise<boolean> {
  const entryA = source.tensors.get(a)!;
  const entryB = source.tensors.get(b)!;
  if (entryA.dtype !== entryB.dtype || entryA.byteLength !== entryB.byteLength) return false;
  const dataA = await source.read(a);
  const dataB = await source.read(b);
  for (let i = 0; i < dataA.length; i++) if (!Object.is(dataA[i], dataB[i])) return false;
  return true;
}

async function readQuantized(
  source: WeightSource,
  match: Match,
  scalesName: string,
): Promise<QuantizedMatrix> {
  const values = await source.read(match.tensor);
  const scales = await source.readFloat32(scalesName);
  const bad = scales.findIndex((scale) => !(scale > 0 && scale < Infinity));
  if (bad >= 0) {
    const where = `${match.entry.file}: tensor ${shown(scalesName)}`;
    badInput(where, 'positive, finite scales', `${String(scales[bad])} at index ${bad}`);
  }
  const [rows, cols] = match.entry.shape;
  return { values: values as Int8Array, scales, shape: [rows!, cols!] };
}

function checkFinite(values: Float32Array, { parameter, tensor, entry }: Match): void {
  const index = firstNonFinite(values);
  if (index < 0) return;
  const where = `${entry.file}: ${describe(parameter.name, tensor)}`;
  badInput(where, 'finite values', `${String(values[index])} at index ${index}`);
}

function checkShape(where: string, expected: readonly number[], got: readonly number[]): void {
  if (expected.length === got.length && expected.every((size, axis) => size === got[axis])) return;
  badInput(where, `shape ${shown(expected)}`, shown(got));
}

/** A parameter and, where it differs, the name the file has for it. */
function describe(name: string, tensor: string): string {
  return name === tensor
    ? `parameter ${shown(name)}`
    : `parameter ${shown(name)} (stored as ${shown(tensor)})`;
}

function product(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}
