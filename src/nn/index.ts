export { activations, geluNew, type ActivationName } from './activations.ts';
export { multiHeadAttention, type AttentionOptions } from './attention.ts';
export { Dropout, type DropoutSite } from './dropout.ts';
export { ones, truncatedNormal, zeros, type Initializer } from './initializers.ts';
export { embeddingLayer, layerNormLayer, linearLayer, type Layer } from './layers.ts';
export { crossEntropy, weightedCrossEntropy } from './losses.ts';
export { countParameters, Parameters, type Parameter } from './parameters.ts';
