/**
 * A pickle read as data and nothing else. A pickle is a program for a stack machine, with instructions that import and
 * call whatever it names; here every name is looked up in a host's list of permitted ones, and a name that is not on it
 * ends the reading. Nothing of Python is ever imported, looked up or run.
 *
 * Instructions are those that `torch.save` writes, up to protocol 5; any other is refused by its number. The machine
 * does not recurse, and each instruction makes at most one value, so that depth and memory are bounded by the length.
 *
 * Reference: CPython's `Lib/pickletools.py`; `torch/_weights_only_unpickler.py` for the idea of the list.
 */
import { badInput, shown } from '../support/errors.ts';
import { INSTRUCTIONS } from './pickle-instructions.ts';

/** Something a pickle may name. */
export class PickleGlobal {
  /** `torch._utils._rebuild_tensor_v2` */
  readonly name: string;
  /** What calling it makes. Undefined for what may be named only. */
  readonly call: ((args: readonly unknown[]) => unknown) | undefined;

  constructor(name: string, call?: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** What a pickle may do beyond making numbers, strings, lists (tuples too), and dictionaries, which become maps. */
export interface PickleHost {
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Makes the value of a persistent id, by which torch refers to a storage. */
  readonly persistent: (id: unknown) => unknown;
}

export interface Unpickled {
  readonly value: unknown;
  /** The byte behind the pickle. */
  readonly end: number;
}

/**
 * @param start where in `bytes` the pickle begins; other data may follow it
 * @param where to open error lines, such as `pytorch_model.bin: data.pkl`
 * @throws BertramError `bad-input` for damage, and for every name that the host does not permit
 */
export function unpickle(bytes: Uint8Array, start: number, host: PickleHost, where: string): Unpickled {
  return new PickleMachine(bytes, start, host, where).run();
}

const HIGHEST_PROTOCOL = 5;
const NEWLINE = 0x0a;

const STOP = 0x2e;

export class PickleMachine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #where: string;
  readonly #memo = new Map<number, unknown>();
  /** The stack since the last mark; those before each mark wait. */
  #stack: unknown[] = [];
  readonly #waiting: unknown[][] = [];
  #position: number;
  /** Where the current instruction begins, for error lines. */
  #instruction: number;

  constructor(bytes: Uint8Array, start: number, host: PickleHost, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#host = host;
    this.#where = where;
    this.#position = start;
    this.#instruction = start;
  }

  run(): Unpickled {
    for (;;) {
      this.#instruction = this.#position;
      const code = this.count(1);
      if (code === STOP) return { value: this.pop(), end: this.#position };
      const instruction = INSTRUCTIONS.get(code);
      if (instruction === undefined) {
        this.fail('an instruction of a pickle of tensors', `0x${code.toString(16).padStart(2, '0')}`);
      }
      instruction(this);
    }
  }

  // What follows an instruction.

  /** An unsigned little-endian integer of so many bytes. */
  count(width: 1 | 2 | 4 | 8): number {
    const at = this.#skip(width);
    if (width === 1) return this.#view.getUint8(at);
    if (width === 2) return this.#view.getUint16(at, true);
    if (width === 4) return this.#view.getUint32(at, true);
    return Number(this.#view.getBigUint64(at, true));
  }

  float(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** A signed little-endian integer of any width: a number where it fits. */
  long(width: number): number | bigint {
    let value = 0n;
    for (const byte of this.take(width).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * width, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(length: number): string {
    return this.#decode(this.take(length));
  }

  line(): string {
    const end = this.#bytes.indexOf(NEWLINE, this.#position);
    if (end < 0) this.fail('a line', 'the end');
    const line = this.take(end - this.#position);
    this.#position++;
    return this.#decode(line);
  }

  checkProtocol(): void {
    const protocol = this.count(1);
    if (protocol > HIGHEST_PROTOCOL) this.fail(`pickle protocol ${HIGHEST_PROTOCOL} or lower`, `${protocol}`);
  }

  // The stack.

  push(value: unknown): void {
    this.#stack.push(value);
  }

  top(): unknown {
    if (this.#stack.length === 0) this.fail('a value on the stack', 'none');
    return this.#stack.at(-1);
  }

  pop(): unknown {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  popMany(count: number): unknown[] {
    if (this.#stack.length < count) this.fail(`${count} values on the stack`, `${this.#stack.length}`);
    return this.#stack.splice(-count);
  }

  mark(): void {
    this.#waiting.push(this.#stack);
    this.#stack = [];
  }

  popToMark(): unknown[] {
    const values = this.#stack;
    const before = this.#waiting.pop();
    if (before === undefined) this.fail('a mark on the stack', 'none');
    this.#stack = before;
    return values;
  }

  // Values.

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) this.fail('a list to append to', kindOf(list));
    for (const item of items) list.push(item);
  }

  setItems(items: readonly unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map)) this.fail('a dictionary to set an item of', kindOf(map));
    if (items.length % 2 !== 0) this.fail('keys and values in pairs', `${items.length} values`);
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  get memoSize(): number {
    return this.#memo.size;
  }

  remember(index: number): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) this.fail(`value ${index} to have been stored`, 'none');
    this.push(this.#memo.get(index));
  }

  lookUpFromStack(): PickleGlobal {
    const [module, name] = this.popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      this.fail('the name of a global', `${kindOf(module)} and ${kindOf(name)}`);
    return this.lookUp(module, name);
  }

  lookUp(module: string, name: string): PickleGlobal {
    const path = `${module}.${name}`;
    const known = this.#host.globals.get(path);
    if (known !== undefined) return known;
    this.fail(
      'what tensors are made of',
      `refused global ${/^[\w.]{1,100}$/.test(path) ? path : shown(path)}`,
    );
  }

  reduce(): void {
    const [callee, args] = this.popMany(2);
    if (!(callee instanceof PickleGlobal)) this.fail('a global to call', kindOf(callee));
    if (callee.call === undefined) this.fail('a global that can be called', callee.name);
    if (!Array.isArray(args)) this.fail('a tuple of arguments', kindOf(args));
    this.push(callee.call(args));
  }

  persistent(): unknown {
    return this.#host.persistent(this.pop());
  }

  fail(expected: string, got: string): never {
    badInput(`${this.#where}, byte ${this.#instruction}`, expected, got);
  }

  #skip(length: number): number {
    const start = this.#position;
    if (length > this.#bytes.length - start)
      this.fail(`${length} more bytes`, `${this.#bytes.length - start}`);
    this.#position = start + length;
    return start;
  }

  #decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      this.fail('text in UTF-8', 'other bytes');
    }
  }
}

/** What a value is, for error lines; never its contents, which may be endless. */
export function kindOf(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return `the text ${shown(value, 40)}`;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value.toString()}`;
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'a dictionary';
  return value instanceof Uint8Array ? 'bytes' : 'an object';
}
