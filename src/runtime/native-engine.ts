/**
 * ONNX Runtime through its C API: results are written where the caller wants them and nowhere else, and a run does not
 * block the event loop (docs/decisions/0011-engine-through-its-c-api.md).
 */
import type { LoweredModel } from '../onnx/index.ts';
import { callOnThread, type Address } from '../support/foreign-functions.ts';
import { EngineLibrary } from './engine-library.ts';
import { NativeSession } from './native-session.ts';
import { COMMON_SETTINGS, type Engine, type SessionOptions } from './session.ts';

/** Only what is fatal is logged: what goes wrong is thrown. */
const SILENT = 4;
const ALL_OPTIMIZATIONS = 99;
const DEVICE_ALLOCATOR = 0;
const DEFAULT_MEMORY = 0;

/** @throws Error when the library cannot be called here */
export function nativeEngine(): Engine {
  const library = EngineLibrary.load();
  const { CreateEnv, CreateCpuMemoryInfo } = library.functions;
  const environment = library.receive((slot) => CreateEnv(SILENT, 'bertram', slot));
  const memory = library.receive((slot) => CreateCpuMemoryInfo(DEVICE_ALLOCATOR, DEFAULT_MEMORY, slot));
  return {
    name: 'native',
    async open(model, options) {
      const session = await createSession(library, environment, model, options);
      return new NativeSession(library, memory, session, model);
    },
  };
}

async function createSession(
  library: EngineLibrary,
  environment: Address,
  { bytes }: LoweredModel,
  options: SessionOptions,
): Promise<Address> {
  const { CreateSessionOptions, CreateSessionFromArray, ReleaseSessionOptions } = library.functions;
  const target = library.receive(CreateSessionOptions);
  try {
    setOptions(library, target, options);
    const session = new BigUint64Array(1);
    library.check(
      await callOnThread(CreateSessionFromArray, environment, bytes, bytes.byteLength, target, session),
    );
    return session[0]!;
  } finally {
    ReleaseSessionOptions(target);
  }
}

function setOptions(library: EngineLibrary, target: Address, options: SessionOptions): void {
  const { threads, keepMemory = true, profile, settings = {} } = options;
  const set = library.functions;
  library.check(set.SetSessionGraphOptimizationLevel(target, ALL_OPTIMIZATIONS));
  // Memory patterns are planned for one set of sizes; our batches change theirs.
  library.check(set.DisableMemPattern(target));
  library.check(keepMemory ? set.EnableCpuMemArena(target) : set.DisableCpuMemArena(target));
  library.check(set.SetSessionLogSeverityLevel(target, SILENT));
  if (threads !== undefined) library.check(set.SetIntraOpNumThreads(target, threads));
  if (profile !== undefined) library.check(set.EnableProfiling(target, profile));
  for (const [key, value] of Object.entries({ ...COMMON_SETTINGS, ...settings }))
    library.check(set.AddSessionConfigEntry(target, key, value));
}
