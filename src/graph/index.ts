export { mergeHeads, PADDING_SCORE, paddingBias, splitHeads } from './heads.ts';
export { bytesOf, peakBytes } from './memory.ts';
export * from './operations.ts';
export type { ConstantData, OpAttributes, OpName } from './ops.ts';
export { printGraph } from './print.ts';
export {
  broadcast,
  describe,
  evaluateDim,
  product,
  sameShape,
  type Dim,
  type DType,
  type Shape,
} from './shape.ts';
export { Node, nodesOf, scoped, Tensor } from './tensor.ts';
