/**
 * The result of tokenizing one text: piece ids and where each piece stands in the text as it was given.
 */

/** One sequence, without the special tokens that a model's input adds ([CLS], [SEP]). */
export interface Encoding {
  /** Vocabulary ids, [length]. */
  readonly ids: Int32Array;
  /** UTF-16 offset of each piece's first unit in the original text, [length]. */
  readonly starts: Int32Array;
  /** UTF-16 offset one past each piece's last unit, [length]; `text.slice(starts[i], ends[i])` is the piece's source. */
  readonly ends: Int32Array;
}

const SMALLEST_CAPACITY = 1024;
const LARGEST_KEPT_CAPACITY = 1 << 18;

/** A growing encoding, reused from text to text. The arrays are replaced when it grows. */
export class EncodingBuffer {
  ids = new Int32Array(SMALLEST_CAPACITY);
  starts = new Int32Array(SMALLEST_CAPACITY);
  ends = new Int32Array(SMALLEST_CAPACITY);
  length = 0;

  /** Makes room for `count` more pieces. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.ids.length) return;
    this.#resize(Math.max(needed, this.ids.length * 2));
  }

  push(id: number, start: number, end: number): void {
    this.reserve(1);
    this.ids[this.length] = id;
    this.starts[this.length] = start;
    this.ends[this.length] = end;
    this.length++;
  }

  /** A copy of what was pushed. Empties the buffer, and gives its memory back after an exceptionally long text. */
  take(): Encoding {
    const { ids, starts, ends, length } = this;
    const encoding = {
      ids: ids.slice(0, length),
      starts: starts.slice(0, length),
      ends: ends.slice(0, length),
    };
    this.clear();
    return encoding;
  }

  clear(): void {
    this.length = 0;
    if (this.ids.length > LARGEST_KEPT_CAPACITY) this.#resize(SMALLEST_CAPACITY);
  }

  #resize(capacity: number): void {
    this.ids = resized(this.ids, this.length, capacity);
    this.starts = resized(this.starts, this.length, capacity);
    this.ends = resized(this.ends, this.length, capacity);
  }
}

function resized(array: Int32Array<ArrayBuffer>, length: number, capacity: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(capacity);
  larger.set(array.subarray(0, length));
  return larger;
}
