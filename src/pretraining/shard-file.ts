/** One shard of `prepare`: a safetensors file whose examples are read by position. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { fileError } from '../checkpoint/file-error.ts';
import { LENGTH_BYTES, parseHeader, parseHeaderLength } from '../checkpoint/safetensors-header.ts';
import type { SafetensorsHeader, TensorInfo } from '../checkpoint/safetensors-header.ts';
import { badInput } from '../support/errors.ts';
import type { PieceArray, PretrainingExample } from './example.ts';

const ARRAYS = { U8: Uint8Array, U16: Uint16Array, U32: Uint32Array, I32: Int32Array } as const;
type ArrayName = keyof typeof ARRAYS;

/** The tensors of a shard, with the types they may have. */
const TENSORS: Readonly<Record<string, readonly ArrayName[]>> = {
  input_ids: ['U16', 'I32'],
  example_offsets: ['U32'],
  second_segment: ['U16'],
  masked_lm_positions: ['U16'],
  masked_lm_ids: ['U16', 'I32'],
  masked_lm_offsets: ['U32'],
  next_sentence_labels: ['U8'],
};

/** Open for reading. In memory are 11 bytes for each example; its pieces stay on the disk. */
export class ShardFile {
  readonly size: number;
  readonly vocabularySha256: string;
  /** Where the pieces of example i begin in `input_ids`: [size + 1]. */
  readonly exampleOffsets: Uint32Array;
  readonly #path: string;
  readonly #file: number;
  readonly #header: SafetensorsHeader;
  readonly #dataStart: number;
  readonly #maskedLmOffsets: Uint32Array;
  readonly #secondSegments: Uint16Array;
  readonly #nextSentenceLabels: Uint8Array;

  private constructor(path: string, file: number, fileSize: number) {
    this.#path = path;
    this.#file = file;
    const start = this.#fill(new Uint8Array(Math.min(LENGTH_BYTES, fileSize)), 0);
    const header = this.#fill(new Uint8Array(parseHeaderLength(start, fileSize, path)), LENGTH_BYTES);
    this.#dataStart = LENGTH_BYTES + header.length;
    this.#header = parseHeader(header, fileSize - this.#dataStart, path);
    this.vocabularySha256 = this.#header.metadata.get('vocabulary_sha256') ?? '';
    for (const [name, types] of Object.entries(TENSORS)) this.#check(name, types);
    this.exampleOffsets = this.#readAll('example_offsets') as Uint32Array;
    this.#maskedLmOffsets = this.#readAll('masked_lm_offsets') as Uint32Array;
    this.#secondSegments = this.#readAll('second_segment') as Uint16Array;
    this.#nextSentenceLabels = this.#readAll('next_sentence_labels') as Uint8Array;
    this.size = this.#secondSegments.length;
    this.#checkOffsets();
  }

  /** @throws BertramError `not-found` if there is none, `bad-input` if it is not a shard */
  static open(path: string): ShardFile {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      return new ShardFile(path, file, statSync(path).size);
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw fileError(path, 'cannot be read', error);
    }
  }

  read(index: number): PretrainingExample {
    const masked = [this.#maskedLmOffsets[index]!, this.#maskedLmOffsets[index + 1]!] as const;
    return {
      inputIds: this.#readPieces('input_ids', this.exampleOffsets[index]!, this.exampleOffsets[index + 1]!),
      secondSegment: this.#secondSegments[index]!,
      maskedLmPositions: this.#readPieces('masked_lm_positions', ...masked),
      maskedLmIds: this.#readPieces('masked_lm_ids', ...masked),
      nextSentenceLabel: this.#nextSentenceLabels[index] === 1 ? 1 : 0,
    };
  }

  close(): void {
    closeSync(this.#file);
  }

  #check(name: string, types: readonly ArrayName[]): void {
    const info = this.#header.tensors.get(name);
    const where = `${this.#path}: tensor ${name}`;
    if (info === undefined) badInput(where, 'it among those of a pretraining shard', 'none');
    const isRight = types.includes(info.dtype as ArrayName) && info.shape.length === 1;
    if (!isRight)
      badInput(where, `one axis of ${types.join(' or ')}`, `${info.dtype} [${info.shape.join(', ')}]`);
  }

  /** Offsets that go up from 0 to the length of what they point into. */
  #checkOffsets(): void {
    const lengthOf = (name: string) => this.#header.tensors.get(name)!.shape[0]!;
    for (const [name, offsets, total] of [
      ['example_offsets', this.exampleOffsets, lengthOf('input_ids')],
      ['masked_lm_offsets', this.#maskedLmOffsets, lengthOf('masked_lm_positions')],
    ] as const) {
      const goesUp = offsets.every((offset, i) => i === 0 || offset >= offsets[i - 1]!);
      const fits = offsets.length === this.size + 1 && offsets[0] === 0 && offsets.at(-1) === total;
      if (!goesUp || !fits)
        badInput(`${this.#path}: ${name}`, `${this.size + 1} offsets from 0 to ${total}`, 'others');
    }
    const lengths = ['masked_lm_ids', 'next_sentence_labels'].map(lengthOf);
    const expected = [lengthOf('masked_lm_positions'), this.size];
    if (lengths.join() !== expected.join())
      badInput(this.#path, `${expected.join(' masked_lm_ids and ')} labels`, lengths.join(' and '));
  }

  #readAll(name: string): Uint8Array | Uint16Array | Uint32Array | Int32Array {
    const info = this.#header.tensors.get(name)!;
    return this.#stretch(info, 0, info.shape[0]!);
  }

  #readPieces(name: string, begin: number, end: number): PieceArray {
    return this.#stretch(this.#header.tensors.get(name)!, begin, end) as PieceArray;
  }

  #stretch(
    info: TensorInfo,
    begin: number,
    end: number,
  ): Uint8Array | Uint16Array | Uint32Array | Int32Array {
    const values = new ARRAYS[info.dtype as ArrayName](end - begin);
    const position = this.#dataStart + info.begin + begin * values.BYTES_PER_ELEMENT;
    this.#fill(new Uint8Array(values.buffer), position);
    return values;
  }

  #fill(into: Uint8Array, position: number): Uint8Array {
    for (let done = 0; done < into.length;) {
      const bytesRead = readSync(this.#file, into, done, into.length - done, position + done);
      if (bytesRead === 0) badInput(this.#path, `a file of more than ${position + done} bytes`, 'its end');
      done += bytesRead;
    }
    return into;
  }
}
