/** The shared library of ONNX Runtime that comes with `onnxruntime-node`, found, loaded and checked. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { koffi, type Address } from '../support/foreign-functions.ts';
import {
  API_VERSION,
  FUNCTIONS,
  POINTER,
  type EngineFunctions,
  type Row,
  type Slot,
  type Status,
} from './engine-functions.ts';

export class EngineLibrary {
  readonly functions: EngineFunctions;
  /** The library stays loaded for as long as somebody refers to it. */
  readonly handle: object;
  readonly #slot: Slot = new BigUint64Array(1);

  private constructor(handle: object, functions: EngineFunctions) {
    this.handle = handle;
    this.functions = functions;
  }

  /**
   * @throws Error when the package, or its library for this system, is missing, cannot be loaded, or is not of the
   *   version that the package says
   */
  static load(): EngineLibrary {
    const { path, version } = locateLibrary();
    const handle = koffi.load(path);
    const base = (handle.func('OrtGetApiBase', POINTER, []) as () => Address)();
    const getApi = functionAt(base, [0, POINTER, ['uint32_t']]) as (version: number) => Address | null;
    const getVersion = functionAt(base, [1, 'str', []]) as () => string;
    if (getVersion() !== version)
      throw new Error(`version ${getVersion()} of it in onnxruntime-node ${version}`);
    const api = getApi(API_VERSION);
    if (api === null) throw new Error(`onnxruntime-node ${version}, without version ${API_VERSION} of it`);
    const functions = Object.entries(FUNCTIONS).map(([name, row]) => [name, functionAt(api, row)] as const);
    return new EngineLibrary(handle, Object.fromEntries(functions) as unknown as EngineFunctions);
  }

  /** @throws Error with the engine's message, unless all went well */
  check(status: Status): void {
    if (status === null) return;
    const message = this.functions.GetErrorMessage(status);
    this.functions.ReleaseStatus(status);
    throw new Error(message);
  }

  /** The address, or the count, that a function hands out. */
  receive(call: (slot: Slot) => Status): Address {
    this.check(call(this.#slot));
    return this.#slot[0]!;
  }
}

/** The library of this system, as in `onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1`. */
function locateLibrary(): { readonly path: string; readonly version: string } {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const binaries = join(dirname(manifest), 'bin');
  const system = join(process.platform, process.arch);
  for (const abi of readdirSync(binaries)) {
    const directory = join(binaries, abi, system);
    const file = filesOf(directory).find((name) =>
      /^(lib)?onnxruntime(\.so(\.\d+)*|(\.\d+)*\.dylib|\.dll)$/.test(name),
    );
    if (file !== undefined) return { path: join(directory, file), version };
  }
  throw new Error(`no library for ${system} in onnxruntime-node ${version}`);
}

function filesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** The function whose address is in row `index` of a table of addresses. */
function functionAt(table: Address, [index, result, parameters]: Row): unknown {
  const address: unknown = koffi.decode(table, index * koffi.sizeof(POINTER), POINTER);
  return koffi.decode(address, koffi.proto(result, [...parameters]));
}
