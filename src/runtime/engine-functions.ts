/**
 * The functions of ONNX Runtime's C API that are called, and where they are.
 *
 * The library exports one function, `OrtGetApiBase`, which leads to a table of the addresses of all others: `struct
 * OrtApi` of https://github.com/microsoft/onnxruntime, include/onnxruntime/core/session/onnxruntime_c_api.h. Functions
 * are added at its end and never moved.
 */
import type { Address, ForeignFunction } from '../support/foreign-functions.ts';

/** What a function says of its success: nothing, or the address of an `OrtStatus`. */
export type Status = Address | null;

/** Where a function puts an address, or a count. */
export type Slot = BigUint64Array;

type Releasing = ForeignFunction<[object: Address], undefined>;

/** The functions that are called, under the names of the header. */
export interface EngineFunctions {
  readonly GetErrorMessage: ForeignFunction<[status: Address], string>;
  readonly CreateEnv: ForeignFunction<[severity: number, logId: string, env: Slot], Status>;
  readonly CreateSessionFromArray: ForeignFunction<
    [env: Address, model: Uint8Array, bytes: number, options: Address, session: Slot],
    Status
  >;
  readonly Run: ForeignFunction<
    [
      session: Address,
      options: null,
      inputNames: BigUint64Array,
      inputs: BigUint64Array,
      inputCount: number,
      outputNames: BigUint64Array,
      outputCount: number,
      outputs: BigUint64Array,
    ],
    Status
  >;
  readonly CreateSessionOptions: ForeignFunction<[options: Slot], Status>;
  readonly EnableProfiling: ForeignFunction<[options: Address, filePrefix: string], Status>;
  readonly DisableMemPattern: ForeignFunction<[options: Address], Status>;
  readonly EnableCpuMemArena: ForeignFunction<[options: Address], Status>;
  readonly DisableCpuMemArena: ForeignFunction<[options: Address], Status>;
  readonly SetSessionLogSeverityLevel: ForeignFunction<[options: Address, severity: number], Status>;
  readonly SetSessionGraphOptimizationLevel: ForeignFunction<[options: Address, level: number], Status>;
  readonly SetIntraOpNumThreads: ForeignFunction<[options: Address, threads: number], Status>;
  readonly CreateTensorWithDataAsOrtValue: ForeignFunction<
    [
      memory: Address,
      data: ArrayBufferView,
      bytes: number,
      shape: BigInt64Array,
      rank: number,
      elementType: number,
      value: Slot,
    ],
    Status
  >;
  readonly GetTensorMutableData: ForeignFunction<[value: Address, data: Slot], Status>;
  readonly GetDimensionsCount: ForeignFunction<[info: Address, rank: Slot], Status>;
  readonly GetDimensions: ForeignFunction<[info: Address, shape: BigInt64Array, rank: number], Status>;
  readonly GetTensorTypeAndShape: ForeignFunction<[value: Address, info: Slot], Status>;
  readonly CreateCpuMemoryInfo: ForeignFunction<[allocator: number, kind: number, memory: Slot], Status>;
  readonly AllocatorFree: ForeignFunction<[allocator: Address, memory: Address], Status>;
  readonly GetAllocatorWithDefaultOptions: ForeignFunction<[allocator: Slot], Status>;
  readonly ReleaseStatus: Releasing;
  readonly ReleaseSession: Releasing;
  readonly ReleaseValue: Releasing;
  readonly ReleaseTensorTypeAndShapeInfo: Releasing;
  readonly ReleaseSessionOptions: Releasing;
  readonly SessionEndProfiling: ForeignFunction<[session: Address, allocator: Address, file: Slot], Status>;
  readonly AddSessionConfigEntry: ForeignFunction<[options: Address, key: string, value: string], Status>;
}

/** The version of the API that has all of them, and every later one. */
export const API_VERSION = 5;

export const POINTER = 'void *';
/** ORTCHAR_T *: a path, in the characters of the system. */
const PATH = process.platform === 'win32' ? 'str16' : 'str';

/** Where a function is in `struct OrtApi`, what it returns, and what it takes. */
export type Row = readonly [index: number, result: string, parameters: readonly string[]];

export const FUNCTIONS: { readonly [Name in keyof EngineFunctions]: Row } = {
  GetErrorMessage: [2, 'str', [POINTER]],
  CreateEnv: [3, POINTER, ['int', 'str', POINTER]],
  CreateSessionFromArray: [8, POINTER, [POINTER, POINTER, 'size_t', POINTER, POINTER]],
  Run: [9, POINTER, [POINTER, POINTER, POINTER, POINTER, 'size_t', POINTER, 'size_t', POINTER]],
  CreateSessionOptions: [10, POINTER, [POINTER]],
  EnableProfiling: [14, POINTER, [POINTER, PATH]],
  DisableMemPattern: [17, POINTER, [POINTER]],
  EnableCpuMemArena: [18, POINTER, [POINTER]],
  DisableCpuMemArena: [19, POINTER, [POINTER]],
  SetSessionLogSeverityLevel: [22, POINTER, [POINTER, 'int']],
  SetSessionGraphOptimizationLevel: [23, POINTER, [POINTER, 'int']],
  SetIntraOpNumThreads: [24, POINTER, [POINTER, 'int']],
  CreateTensorWithDataAsOrtValue: [
    49,
    POINTER,
    [POINTER, POINTER, 'size_t', POINTER, 'size_t', 'int', POINTER],
  ],
  GetTensorMutableData: [51, POINTER, [POINTER, POINTER]],
  GetDimensionsCount: [61, POINTER, [POINTER, POINTER]],
  GetDimensions: [62, POINTER, [POINTER, POINTER, 'size_t']],
  GetTensorTypeAndShape: [65, POINTER, [POINTER, POINTER]],
  CreateCpuMemoryInfo: [69, POINTER, ['int', 'int', POINTER]],
  AllocatorFree: [76, POINTER, [POINTER, POINTER]],
  GetAllocatorWithDefaultOptions: [78, POINTER, [POINTER]],
  ReleaseStatus: [93, 'void', [POINTER]],
  ReleaseSession: [95, 'void', [POINTER]],
  ReleaseValue: [96, 'void', [POINTER]],
  ReleaseTensorTypeAndShapeInfo: [99, 'void', [POINTER]],
  ReleaseSessionOptions: [100, 'void', [POINTER]],
  SessionEndProfiling: [110, POINTER, [POINTER, POINTER, POINTER]],
  AddSessionConfigEntry: [130, POINTER, [POINTER, 'str', 'str']],
};
