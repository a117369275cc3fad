export { ELEMENT_TYPES } from './emitter.ts';
export { lower, type InputDeclaration, type LoweredModel, type LowerOptions } from './lower.ts';
export type { Int8Weight } from './linear-lowering.ts';
