/** One model input for one text or a pair, cut where it is too long: for tasks that judge a text by its beginning. */
import type { BertTokenizer } from './bert-tokenizer.ts';
import type { Encoding } from './encoding.ts';
import { truncatedLengths } from './truncation.ts';
import { windowsOf } from './windows.ts';

/** A text, or two that belong together. */
export type TextOrPair = string | readonly [first: string, second: string];

export interface TruncatedInput {
  /** [S] `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]` */
  readonly inputIds: Int32Array;
  /** [S] 0 up to the first [SEP], 1 behind it. */
  readonly tokenTypeIds: Uint8Array;
  /** Pieces that did not fit. */
  readonly cutPieces: number;
}

/**
 * @param maxLength most pieces, special tokens included; of a pair the longer text is cut first
 * @throws BertramError `bad-input` when `maxLength` leaves no room
 */
export function truncatedInput(
  tokenizer: Pick<BertTokenizer, 'encode' | 'clsId' | 'sepId'>,
  text: TextOrPair,
  maxLength: number,
): TruncatedInput {
  const [first, second] = typeof text === 'string' ? [text, undefined] : text;
  const a = tokenizer.encode(first);
  const b = second === undefined ? undefined : tokenizer.encode(second);
  const room = Math.max(0, maxLength - (b === undefined ? 2 : 3));
  const [lengthA, lengthB] = truncatedLengths(a.ids.length, b?.ids.length, room, 'longest_first');
  const [window] = windowsOf(beginning(a, lengthA), b && beginning(b, lengthB), tokenizer, { maxLength });
  const total = a.ids.length + (b?.ids.length ?? 0);
  return {
    inputIds: window!.ids,
    tokenTypeIds: Uint8Array.from(window!.tokenTypeIds),
    cutPieces: total - lengthA - lengthB,
  };
}

function beginning({ ids, starts, ends }: Encoding, length: number): Encoding {
  return { ids: ids.subarray(0, length), starts: starts.subarray(0, length), ends: ends.subarray(0, length) };
}
