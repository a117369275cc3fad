/**
 * Open MPI's shared library: found, loaded and known for what it is.
 *
 * Other MPIs have other numbers and pointers behind the same names (in MPICH, a communicator is an integer), and would
 * crash on ours: only a library that has Open MPI's own symbols is called. Reference: MPI 3.1, chapters 5 and 8.
 */
import { koffi, type Address, type ForeignFunction } from '../support/foreign-functions.ts';
import { BertramError } from '../support/errors.ts';

/** What an MPI function returns when all went well. */
export const SUCCESS = 0;
/** `MPI_IN_PLACE`: the array that is received into holds what is sent. */
export const IN_PLACE: Address = 1n;
/** `MPI_THREAD_SERIALIZED`: calls come from several threads, but never two at a time. */
export const THREAD_SERIALIZED = 2;

type Handle = Address;
type Data = Float32Array | Float64Array | Uint8Array;

export interface MpiFunctions {
  readonly MPI_Init_thread: ForeignFunction<
    [argc: null, argv: null, wanted: number, got: Int32Array],
    number
  >;
  readonly MPI_Comm_rank: ForeignFunction<[comm: Handle, rank: Int32Array], number>;
  readonly MPI_Comm_size: ForeignFunction<[comm: Handle, size: Int32Array], number>;
  readonly MPI_Comm_set_errhandler: ForeignFunction<[comm: Handle, handler: Handle], number>;
  readonly MPI_Error_string: ForeignFunction<[code: number, text: Uint8Array, length: Int32Array], number>;
  readonly MPI_Allreduce: ForeignFunction<
    [send: Address, receive: Data, count: number, type: Handle, op: Handle, comm: Handle],
    number
  >;
  readonly MPI_Bcast: ForeignFunction<
    [data: Data, count: number, type: Handle, root: number, comm: Handle],
    number
  >;
  readonly MPI_Reduce_scatter: ForeignFunction<
    [send: Address, receive: Data, counts: Int32Array, type: Handle, op: Handle, comm: Handle],
    number
  >;
  readonly MPI_Allgatherv: ForeignFunction<
    [
      send: Address,
      sendCount: number,
      sendType: Handle,
      receive: Data,
      counts: Int32Array,
      places: Int32Array,
      type: Handle,
      comm: Handle,
    ],
    number
  >;
  readonly MPI_Barrier: ForeignFunction<[comm: Handle], number>;
  readonly MPI_Finalize: ForeignFunction<[], number>;
  readonly MPI_Abort: ForeignFunction<[comm: Handle, code: number], number>;
}

const P = 'void *';
const I = 'int';

/** The C types of each function's parameters. All of them return an int. */
const PARAMETERS: Readonly<Record<keyof MpiFunctions, readonly string[]>> = {
  MPI_Init_thread: [P, P, I, P],
  MPI_Comm_rank: [P, P],
  MPI_Comm_size: [P, P],
  MPI_Comm_set_errhandler: [P, P],
  MPI_Error_string: [I, P, P],
  MPI_Allreduce: [P, P, I, P, P, P],
  MPI_Bcast: [P, I, P, I, P],
  MPI_Reduce_scatter: [P, P, P, P, P, P],
  MPI_Allgatherv: [P, I, P, P, P, P, P, P],
  MPI_Barrier: [P],
  MPI_Finalize: [],
  MPI_Abort: [P, I],
};

/** Objects of the library; a handle is the address of one. */
const HANDLES = {
  world: 'ompi_mpi_comm_world',
  float: 'ompi_mpi_float',
  double: 'ompi_mpi_double',
  byte: 'ompi_mpi_byte',
  sum: 'ompi_mpi_op_sum',
  errorsReturn: 'ompi_mpi_errors_return',
} as const;

export interface MpiLibrary {
  readonly functions: MpiFunctions;
  readonly handles: Readonly<Record<keyof typeof HANDLES, Handle>>;
}

/** Open MPI 4 and 5 both call their interface version 40. */
const LIBRARY_NAMES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['libmpi.so.40', 'libmpi.so'],
  darwin: [
    'libmpi.40.dylib',
    'libmpi.dylib',
    '/opt/homebrew/lib/libmpi.dylib',
    '/usr/local/lib/libmpi.dylib',
    '/opt/local/lib/openmpi-mp/libmpi.dylib',
  ],
};

/** What to do where there is none. */
export const INSTALL_OPEN_MPI =
  'install it (Debian, Ubuntu: apt install openmpi-bin; Fedora: openmpi; macOS: brew install open-mpi)';

/** @throws BertramError `unsupported` where there is no MPI, or another one than Open MPI */
export function loadMpi(names: readonly string[] = LIBRARY_NAMES[process.platform] ?? []): MpiLibrary {
  const library = firstThatLoads(names);
  if (library === undefined) {
    const tried = names.length > 0 ? names.join(' or ') : `one for ${process.platform}`;
    throw new BertramError(
      'unsupported',
      `several ranks need Open MPI's library: expected ${tried}, got none; ${INSTALL_OPEN_MPI}`,
    );
  }
  const handles = Object.entries(HANDLES).map(([key, symbol]) => [key, symbolOf(library, symbol)]);
  const functions = Object.entries(PARAMETERS).map(([name, parameters]) => [
    name,
    library.func(name, I, [...parameters]) as unknown,
  ]);
  return {
    functions: Object.fromEntries(functions) as MpiFunctions,
    handles: Object.fromEntries(handles) as MpiLibrary['handles'],
  };
}

type Library = ReturnType<typeof koffi.load>;

function firstThatLoads(names: readonly string[]): Library | undefined {
  for (const name of names) {
    try {
      // Open MPI loads its parts by itself, and these look for its symbols among those of the program.
      const library = koffi.load(name, { global: true });
      keepLoaded(name);
      return library;
    } catch {
      continue;
    }
  }
  return undefined;
}

function symbolOf(library: Library, symbol: string): Handle {
  try {
    return library.symbol(symbol) as Handle;
  } catch (error) {
    const expected = `Open MPI (the symbol ${symbol})`;
    throw new BertramError(
      'unsupported',
      `MPI: expected ${expected}, got ${nameOf(library)}; ${INSTALL_OPEN_MPI}`,
      {
        cause: error,
      },
    );
  }
}

/** `MPICH Version: 4.0.2` or `Intel(R) MPI Library 2021.9`: what the library says of itself, and may before it is initialised. */
function nameOf(library: Library): string {
  try {
    const text = new Uint8Array(8192);
    const length = new Int32Array(1);
    const getVersion = library.func('MPI_Get_library_version', I, [P, P]) as (
      text: Uint8Array,
      length: Int32Array,
    ) => number;
    getVersion(text, length);
    return new TextDecoder().decode(text.subarray(0, length[0])).split('\n')[0]!.trim();
  } catch {
    return 'another library';
  }
}

/** Flags of `dlopen`: resolve symbols as they are used, and keep the library for as long as the process lives. */
const RTLD_LAZY = 1;
const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000;

/**
 * Keeps the library in memory when koffi closes it at the end of the process. It has left something in the threads that
 * called it, which its own code cleans up when they end, later: without the code, the process would crash.
 */
function keepLoaded(name: string): void {
  const dlopen = koffi.load(null).func('dlopen', P, ['str', I]) as (name: string, flags: number) => unknown;
  dlopen(name, RTLD_LAZY | RTLD_NODELETE);
}
