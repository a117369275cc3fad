/** Checkpoints: safetensors files in and out, parameter names, model directories, atomic writing. */
export { writeFileAtomic } from './atomic-file.ts';
export type { FileContent } from './atomic-file.ts';
export { openSafetensors } from './safetensors-reader.ts';
export { SafetensorsFile, openSafetensorsBytes } from './safetensors-source.ts';
export { writeSafetensors } from './safetensors-writer.ts';
export type { Metadata, TensorToWrite } from './safetensors-layout.ts';
export type { Dtype, TensorData } from './safetensors-dtype.ts';
export type { TensorEntry, WeightSource } from './weight-source.ts';
