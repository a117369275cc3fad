/**
 * Ranks that Open MPI connects. Its operations run on a thread of libuv's pool, one at a time, so that the process can
 * meanwhile do something else, such as hear a signal.
 */
import { callOnThread, type ForeignFunction } from '../support/foreign-functions.ts';
import { BertramError } from '../support/errors.ts';
import type { Communicator, SliceBounds } from './communicator.ts';
import { IN_PLACE, loadMpi, SUCCESS, THREAD_SERIALIZED, type MpiLibrary } from './mpi-library.ts';

/** Counts in MPI are C ints, and some algorithms add two of them: longer arrays go in parts of 2^30 at the most. */
const LARGEST_COUNT = 2 ** 30;
/** What is added up goes in parts of 16 MiB at the most: Open MPI has buffers of up to one and a half times their size. */
const LARGEST_SUM = 2 ** 22;

export class OpenMpi implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly #library: MpiLibrary;
  readonly #largestCount: number;
  readonly #largestSum: number;
  /** Settles when the operation before has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(library: MpiLibrary, largestCount: number) {
    const { MPI_Comm_rank, MPI_Comm_size } = library.functions;
    this.#library = library;
    this.#largestCount = largestCount;
    this.#largestSum = Math.min(LARGEST_SUM, largestCount);
    this.rank = received((into) => MPI_Comm_rank(library.handles.world, into));
    this.size = received((into) => MPI_Comm_size(library.handles.world, into));
  }

  /**
   * Joins the ranks that this process was started with. If it ends before `close`, or with an exit status that is not
   * zero, all ranks end.
   *
   * @throws BertramError `unsupported` where Open MPI is not installed; `failed` when it cannot be initialised
   */
  static join(largestCount = LARGEST_COUNT): OpenMpi {
    const library = loadMpi();
    const { MPI_Init_thread, MPI_Comm_set_errhandler } = library.functions;
    const { world, errorsReturn } = library.handles;
    const level = received((got) => MPI_Init_thread(null, null, THREAD_SERIALIZED, got));
    if (level < THREAD_SERIALIZED) {
      throw new BertramError(
        'unsupported',
        `Open MPI: expected calls from several threads, got level ${level} of them`,
      );
    }
    MPI_Comm_set_errhandler(world, errorsReturn);
    const ranks = new OpenMpi(library, largestCount);
    process.once('exit', (code) => {
      if (!ranks.#closed) library.functions.MPI_Abort(world, code === 0 ? 1 : code);
    });
    return ranks;
  }

  async allReduceSum(values: Float32Array | Float64Array): Promise<void> {
    const { functions, handles } = this.#library;
    const type = values instanceof Float32Array ? handles.float : handles.double;
    for (const part of this.#parts(values, this.#largestSum))
      await this.#call('MPI_Allreduce', functions.MPI_Allreduce, [
        ...([IN_PLACE, part, part.length] as const),
        ...([type, handles.sum, handles.world] as const),
      ]);
  }

  async broadcast(values: Float32Array | Uint8Array, from = 0): Promise<void> {
    const { functions, handles } = this.#library;
    const type = values instanceof Float32Array ? handles.float : handles.byte;
    for (const part of this.#parts(values))
      await this.#call('MPI_Bcast', functions.MPI_Bcast, [part, part.length, type, from, handles.world]);
  }

  /**
   * In parts that have a stretch of every slice. For slices of 6 and 4 numbers and parts of at most 6, these are numbers
   * 0-2 with 6-8, and then 3-5 with 9.
   */
  async reduceScatterSum(values: Float32Array, bounds: SliceBounds): Promise<void> {
    const { functions, handles } = this.#library;
    const slices = bounds.slice(1).map((end, i) => values.subarray(bounds[i], end));
    const buffer = new Float32Array(Math.min(this.#largestSum, values.length));
    const step = Math.floor(this.#largestSum / this.size);
    for (let place = 0; slices.some(({ length }) => length > place); place += step) {
      const stretches = slices.map((slice) => slice.subarray(place, place + step));
      const counts = Int32Array.from(stretches, ({ length }) => length);
      let begin = 0;
      for (const stretch of stretches) {
        buffer.set(stretch, begin);
        begin += stretch.length;
      }
      await this.#call('MPI_Reduce_scatter', functions.MPI_Reduce_scatter, [
        ...([IN_PLACE, buffer, counts] as const),
        ...([handles.float, handles.sum, handles.world] as const),
      ]);
      const own = stretches[this.rank]!;
      own.set(buffer.subarray(0, own.length));
    }
  }

  async allGather(values: Float32Array, bounds: SliceBounds): Promise<void> {
    const { functions, handles } = this.#library;
    if (values.length <= this.#largestCount) {
      const places = Int32Array.from(bounds.slice(0, -1));
      await this.#call('MPI_Allgatherv', functions.MPI_Allgatherv, [
        ...([IN_PLACE, 0, handles.float, values] as const),
        ...([countsOf(bounds), places, handles.float, handles.world] as const),
      ]);
      return;
    }
    for (let root = 0; root < this.size; root++)
      await this.broadcast(values.subarray(bounds[root], bounds[root + 1]), root);
  }

  async gatherBytes(bytes: Uint8Array): Promise<Uint8Array[]> {
    const lengths = new Float64Array(this.size);
    lengths[this.rank] = bytes.length;
    await this.allReduceSum(lengths);
    const all = Array.from(lengths, (length, rank) => (rank === this.rank ? bytes : new Uint8Array(length)));
    for (const [rank, part] of all.entries()) await this.broadcast(part, rank);
    return all;
  }

  async barrier(): Promise<void> {
    const { functions, handles } = this.#library;
    await this.#call('MPI_Barrier', functions.MPI_Barrier, [handles.world]);
  }

  /** Waits for the others with all else standing still: MPI ends in the thread in which it began. */
  async close(): Promise<void> {
    await this.barrier();
    const status = this.#library.functions.MPI_Finalize();
    if (status !== SUCCESS) throw new BertramError('failed', `MPI_Finalize: rank ${this.rank}: ${status}`);
    this.#closed = true;
  }

  *#parts<T extends Float32Array | Float64Array | Uint8Array>(
    values: T,
    largest = this.#largestCount,
  ): Generator<T> {
    for (let begin = 0; begin < values.length; begin += largest)
      yield values.subarray(begin, begin + largest) as T;
  }

  /** The arguments stay reachable until the call has ended: the closure that awaits it refers to them. */
  #call<Parameters extends readonly unknown[]>(
    name: string,
    target: ForeignFunction<Parameters, number>,
    parameters: Parameters,
  ): Promise<void> {
    const call = this.#last.then(async () => {
      const status = await callOnThread(target, ...parameters);
      if (status !== SUCCESS)
        throw new BertramError('failed', `${name}: rank ${this.rank}: ${this.#textOf(status)}`);
    });
    this.#last = call.catch(() => undefined);
    return call;
  }

  #textOf(status: number): string {
    const text = new Uint8Array(1024);
    const length = received((into) => this.#library.functions.MPI_Error_string(status, text, into));
    return new TextDecoder().decode(text.subarray(0, length));
  }
}

function countsOf(bounds: SliceBounds): Int32Array {
  return Int32Array.from(bounds.slice(1), (end, i) => end - bounds[i]!);
}

/** The number that a function puts where it is told to. */
function received(call: (into: Int32Array) => number): number {
  const into = new Int32Array(1);
  const status = call(into);
  if (status !== SUCCESS) throw new BertramError('failed', `Open MPI: expected no error, got ${status}`);
  return into[0]!;
}
