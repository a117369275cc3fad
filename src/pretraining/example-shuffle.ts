/** Collects the examples of a shard, and lays them out in a random order as the tensors of its file. */
import type { TensorToWrite } from '../checkpoint/safetensors-layout.ts';
import type { Random } from '../support/random.ts';
import type { PieceArray, PretrainingExample } from './example.ts';
import { pieceArray } from './tokenized-text.ts';

/** What was made, counted while it was made. */
export interface ExampleCounts {
  readonly examples: number;
  readonly pieces: number;
  /** Pieces to be predicted. */
  readonly predictions: number;
  /** Examples whose second segment is from another document. */
  readonly randomNext: number;
  /** Pieces that did not fit into their example. */
  readonly truncated: number;
}

type UnsignedArray = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/** Numbers of one type, as many as come. */
class GrowingArray<T extends UnsignedArray> {
  #array: T;
  #length = 0;

  constructor(initial: T) {
    this.#array = initial;
  }

  get length(): number {
    return this.#length;
  }

  /** What is in it so far, not copied. */
  get values(): T {
    return this.#array.subarray(0, this.#length) as T;
  }

  push(value: number): void {
    if (this.#length === this.#array.length) this.#grow(this.#length + 1);
    this.#array[this.#length++] = value;
  }

  append(values: ArrayLike<number>): void {
    const needed = this.#length + values.length;
    if (needed > this.#array.length) this.#grow(needed);
    this.#array.set(values, this.#length);
    this.#length = needed;
  }

  #grow(needed: number): void {
    const Class = this.#array.constructor as new (length: number) => T;
    const larger = new Class(2 * needed);
    larger.set(this.values);
    this.#array = larger;
  }
}

export class ExampleShuffle {
  readonly #vocabularySize: number;
  readonly #secondSegments = new GrowingArray(new Uint16Array(1024));
  readonly #nextSentenceLabels = new GrowingArray(new Uint8Array(1024));
  /** Where the pieces of each example end, and where its predictions do. */
  readonly #pieceEnds = new GrowingArray(new Uint32Array(1024));
  readonly #predictionEnds = new GrowingArray(new Uint32Array(1024));
  readonly #inputIds: GrowingArray<PieceArray>;
  readonly #positions = new GrowingArray(new Uint16Array(1024));
  readonly #labels: GrowingArray<PieceArray>;

  constructor(vocabularySize: number) {
    this.#vocabularySize = vocabularySize;
    this.#inputIds = new GrowingArray(pieceArray(1 << 16, vocabularySize));
    this.#labels = new GrowingArray(pieceArray(1 << 14, vocabularySize));
  }

  #truncated = 0;

  /**
   * Copies an example in.
   * @param truncated how many pieces were cut off it
   */
  add(example: PretrainingExample, truncated: number): void {
    const { inputIds, secondSegment, maskedLmPositions, maskedLmIds, nextSentenceLabel } = example;
    this.#truncated += truncated;
    this.#inputIds.append(inputIds);
    this.#positions.append(maskedLmPositions);
    this.#labels.append(maskedLmIds);
    this.#secondSegments.push(secondSegment);
    this.#nextSentenceLabels.push(nextSentenceLabel);
    this.#pieceEnds.push(this.#inputIds.length);
    this.#predictionEnds.push(this.#positions.length);
  }

  get counts(): ExampleCounts {
    return {
      examples: this.#secondSegments.length,
      pieces: this.#inputIds.length,
      predictions: this.#positions.length,
      randomNext: this.#nextSentenceLabels.values.reduce((sum, label) => sum + label, 0),
      truncated: this.#truncated,
    };
  }

  /** The tensors of a shard: example i has pieces `example_offsets[i]` to `example_offsets[i + 1]` of `input_ids`. */
  tensors(random: Random): TensorToWrite[] {
    const count = this.#secondSegments.length;
    const order = random.shuffle(Uint32Array.from({ length: count }, (_, i) => i));
    const pieceEnds = this.#pieceEnds.values;
    const predictionEnds = this.#predictionEnds.values;
    const gathered = <T extends PieceArray>(values: T, ends: Uint32Array, into: T): T => {
      let at = 0;
      for (const example of order) {
        const stretch = values.subarray(ends[example - 1] ?? 0, ends[example]);
        into.set(stretch, at);
        at += stretch.length;
      }
      return into;
    };
    const offsets = (ends: Uint32Array): Uint32Array => {
      const result = new Uint32Array(count + 1);
      order.forEach((example, i) => {
        result[i + 1] = result[i]! + ends[example]! - (ends[example - 1] ?? 0);
      });
      return result;
    };
    const ids = (values: PieceArray, ends: Uint32Array): PieceArray =>
      gathered(values, ends, pieceArray(values.length, this.#vocabularySize));
    const positions = this.#positions.values;
    const secondSegments = this.#secondSegments.values;
    const labels = this.#nextSentenceLabels.values;
    return [
      tensor('input_ids', ids(this.#inputIds.values, pieceEnds)),
      tensor('example_offsets', offsets(pieceEnds)),
      tensor(
        'second_segment',
        Uint16Array.from(order, (example) => secondSegments[example]!),
      ),
      tensor('masked_lm_positions', gathered(positions, predictionEnds, new Uint16Array(positions.length))),
      tensor('masked_lm_ids', ids(this.#labels.values, predictionEnds)),
      tensor('masked_lm_offsets', offsets(predictionEnds)),
      tensor(
        'next_sentence_labels',
        Uint8Array.from(order, (example) => labels[example]!),
      ),
    ];
  }
}

function tensor(name: string, data: UnsignedArray): TensorToWrite {
  const dtype =
    data instanceof Uint8Array
      ? 'U8'
      : data instanceof Uint16Array
        ? 'U16'
        : data instanceof Uint32Array
          ? 'U32'
          : 'I32';
  return { name, dtype, shape: [data.length], data };
}
