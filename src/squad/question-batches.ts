/** Windows as batches: any sequences of BERT's, under the names that this room has for them. */
export {
  padSequences as padWindows,
  type BertFeeds,
  type BertSequence as WindowInput,
} from '../bert/padding.ts';
