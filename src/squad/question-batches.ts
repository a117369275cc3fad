/** Windows as batches: padded to the longest, and fed by the names of BERT's inputs. */
import type { HostTensor } from '../runtime/index.ts';
import type { ContextWindow } from './windows.ts';

/** A window's part that the model reads. */
export type WindowInput = Pick<ContextWindow, 'inputIds' | 'tokenTypeIds'>;

/** `input_ids`, `token_type_ids` and `attention_mask`, each int32 [B, S]. */
export interface BertFeeds {
  readonly [name: string]: HostTensor<Int32Array>;
  readonly input_ids: HostTensor<Int32Array>;
  readonly token_type_ids: HostTensor<Int32Array>;
  readonly attention_mask: HostTensor<Int32Array>;
}

/**
 * @param length what to pad to, if not to the longest window
 */
export function padWindows(windows: readonly WindowInput[], padTokenId: number, length?: number): BertFeeds {
  const sequence = length ?? windows.reduce((longest, { inputIds }) => Math.max(longest, inputIds.length), 0);
  const shape = [windows.length, sequence];
  const size = windows.length * sequence;
  const inputIds = new Int32Array(size).fill(padTokenId);
  const tokenTypeIds = new Int32Array(size);
  const attentionMask = new Int32Array(size);
  windows.forEach((window, row) => {
    const begin = row * sequence;
    inputIds.set(window.inputIds, begin);
    tokenTypeIds.set(window.tokenTypeIds, begin);
    attentionMask.fill(1, begin, begin + window.inputIds.length);
  });
  return {
    input_ids: { data: inputIds, shape },
    token_type_ids: { data: tokenTypeIds, shape },
    attention_mask: { data: attentionMask, shape },
  };
}
