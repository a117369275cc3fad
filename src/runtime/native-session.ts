/**
 * A session of ONNX Runtime's C API.
 *
 * The engine reads and writes the memory of typed arrays. That memory does not move, but it is freed with its array,
 * and JavaScript does not know that the engine is using it: the arrays of a run are held until the run is over.
 */
import { ELEMENT_TYPES, type InputDeclaration, type LoweredModel } from '../onnx/index.ts';
import { callOnThread, koffi, type Address } from '../support/foreign-functions.ts';
import type { EngineLibrary } from './engine-library.ts';
import { ARRAY_CLASSES, type HostTensor } from './host-tensor.ts';
import { hasHugePages, useHugePages } from './huge-pages.ts';
import { RELEASED, type Session } from './session.ts';

/**
 * A run that has less than this to read, the model included, takes place in the calling thread: going to another and
 * back would take longer than the run.
 */
const SMALL_BYTES = 2 ** 20;

type Feeds = readonly HostTensor[];
type Places = readonly (HostTensor | undefined)[];

/** Frees the sessions of programs that were dropped without being released. */
const abandoned = new FinalizationRegistry<() => void>((release) => release());

export class NativeSession implements Session {
  readonly #library: EngineLibrary;
  readonly #memory: Address;
  readonly #inputs: readonly InputDeclaration[];
  readonly #outputs: readonly InputDeclaration[];
  readonly #inputNames: CStrings;
  readonly #outputNames: CStrings;
  readonly #modelBytes: number;
  #session: Address | undefined;
  /** Runs so far that were not small. */
  #largeRuns = 0;
  /** Runs under way, each with the arrays that it uses. */
  readonly #running = new Map<Promise<HostTensor[]>, { readonly feeds: Feeds; readonly into: Places }>();

  /** @param memory where typed arrays are, as the engine describes it */
  constructor(library: EngineLibrary, memory: Address, session: Address, model: LoweredModel) {
    this.#library = library;
    this.#memory = memory;
    this.#session = session;
    // Not the model itself, which may hold all the weights.
    this.#inputs = model.inputs;
    this.#outputs = model.outputs;
    this.#modelBytes = model.bytes.byteLength;
    this.#inputNames = new CStrings(model.inputs.map(({ name }) => name));
    this.#outputNames = new CStrings(model.outputs.map(({ name }) => name));
    abandoned.register(this, () => library.functions.ReleaseSession(session), this);
  }

  async run(feeds: Feeds, into: Places): Promise<HostTensor[]> {
    const run = this.#run(this.#open(), feeds, into);
    this.#running.set(run, { feeds, into });
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  async release(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    await Promise.allSettled(this.#running.keys());
    abandoned.unregister(this);
    this.#library.functions.ReleaseSession(session);
  }

  endProfiling(): void {
    const session = this.#open();
    const { GetAllocatorWithDefaultOptions, SessionEndProfiling, AllocatorFree } = this.#library.functions;
    const allocator = this.#library.receive(GetAllocatorWithDefaultOptions);
    const file = this.#library.receive((slot) => SessionEndProfiling(session, allocator, slot));
    this.#library.check(AllocatorFree(allocator, file));
  }

  #open(): Address {
    if (this.#session === undefined) throw new Error(RELEASED);
    return this.#session;
  }

  async #run(session: Address, feeds: Feeds, into: Places): Promise<HostTensor[]> {
    const isSmall = this.#modelBytes + totalBytes(feeds) < SMALL_BYTES;
    // Timers and signals get their turn between small runs as well.
    if (isSmall) await new Promise(setImmediate);
    const inputs = new BigUint64Array(this.#inputs.length);
    const outputs = new BigUint64Array(this.#outputs.length);
    try {
      for (const [i, input] of this.#inputs.entries()) inputs[i] = this.#wrap(input, feeds[i]!);
      for (const [i, output] of this.#outputs.entries())
        if (into[i] !== undefined) outputs[i] = this.#wrap(output, into[i]);
      const { Run } = this.#library.functions;
      const parameters: Parameters<typeof Run> = [
        session,
        null,
        this.#inputNames.addresses,
        inputs,
        inputs.length,
        this.#outputNames.addresses,
        outputs.length,
        outputs,
      ];
      this.#library.check(isSmall ? Run(...parameters) : await callOnThread(Run, ...parameters));
      if (!isSmall) await this.#enlargePages();
      return this.#outputs.map((output, i) => into[i] ?? this.#read(output, outputs[i]!));
    } finally {
      const { ReleaseValue } = this.#library.functions;
      for (const value of inputs) if (value !== 0n) ReleaseValue(value);
      for (const value of outputs) if (value !== 0n) ReleaseValue(value);
    }
  }

  /** After the 1st, 2nd, 4th, 8th run and so on: the engine takes more memory in the first ones, and seldom later. */
  async #enlargePages(): Promise<void> {
    this.#largeRuns += 1;
    const isPowerOfTwo = (this.#largeRuns & (this.#largeRuns - 1)) === 0;
    if (isPowerOfTwo && hasHugePages()) await useHugePages();
  }

  /** The engine's tensor over the memory of an array. */
  #wrap({ dtype }: InputDeclaration, { data, shape }: HostTensor): Address {
    const { CreateTensorWithDataAsOrtValue } = this.#library.functions;
    const sizes = BigInt64Array.from(shape, BigInt);
    return this.#library.receive((slot) =>
      CreateTensorWithDataAsOrtValue(
        this.#memory,
        data,
        data.byteLength,
        sizes,
        sizes.length,
        ELEMENT_TYPES[dtype],
        slot,
      ),
    );
  }

  /** A copy of a tensor that the engine made. */
  #read({ dtype }: InputDeclaration, value: Address): HostTensor {
    const library = this.#library;
    const { GetTensorTypeAndShape, ReleaseTensorTypeAndShapeInfo } = library.functions;
    const { GetDimensionsCount, GetDimensions, GetTensorMutableData } = library.functions;
    const info = library.receive((slot) => GetTensorTypeAndShape(value, slot));
    try {
      const sizes = new BigInt64Array(Number(library.receive((slot) => GetDimensionsCount(info, slot))));
      library.check(GetDimensions(info, sizes, sizes.length));
      const shape = Array.from(sizes, Number);
      const ArrayClass = ARRAY_CLASSES[dtype];
      const bytes = shape.reduce((a, b) => a * b, ArrayClass.BYTES_PER_ELEMENT);
      if (bytes === 0) return { data: new ArrayClass(0), shape };
      const address = library.receive((slot) => GetTensorMutableData(value, slot));
      return { data: new ArrayClass(koffi.view(address, bytes).slice(0)), shape };
    } finally {
      ReleaseTensorTypeAndShapeInfo(info);
    }
  }
}

const totalBytes = (tensors: Feeds): number => tensors.reduce((sum, { data }) => sum + data.byteLength, 0);

/** An array of C strings. */
class CStrings {
  readonly addresses: BigUint64Array;
  /** What the addresses lead to. */
  readonly texts: readonly Uint8Array[];

  constructor(strings: readonly string[]) {
    this.texts = strings.map((text) => new TextEncoder().encode(`${text}\0`));
    this.addresses = BigUint64Array.from(this.texts, (text) => koffi.address(text));
  }
}
