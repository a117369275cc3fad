/**
 * Checkpoints: safetensors files in and out, those of PyTorch and TensorFlow 1 in; parameter names, model directories,
 * atomic writing.
 *
 * Code that also runs in a browser imports the modules without a file system one by one: safetensors-source,
 * safetensors-layout, parameter-loading, quantized-matrix.
 */
export { writeFileAtomic } from './atomic-file.ts';
export type { FileContent } from './atomic-file.ts';
export { recoverDirectories, removeDirectory, writeDirectory } from './complete-directory.ts';
export type { FileToWrite } from './complete-directory.ts';
export { MANIFEST_FILE, readManifest, verifyDirectory } from './directory-manifest.ts';
export type { DirectoryManifest } from './directory-manifest.ts';
export { arraysSha256, fileSha256, textSha256 } from './file-checksum.ts';
export { fileError } from './file-error.ts';
export { nodeFiles } from './file-operations.ts';
export type { FileOperations, WritableFile } from './file-operations.ts';
export { firstNonFinite } from './finite-check.ts';
export { openModelWeights, openWeights, readModelDirectory } from './model-directory.ts';
export type { ModelDirectory } from './model-directory.ts';
export { checkRepeats, loadParameters, storedByName } from './parameter-loading.ts';
export type { LoadOptions, LoadedParameters, WantedParameter } from './parameter-loading.ts';
export { canonicalName, tiedName } from './parameter-names.ts';
export { SCALE_SUFFIX, dequantizeRows, quantizeRows } from './quantized-matrix.ts';
export type { QuantizedMatrix } from './quantized-matrix.ts';
export type { Dtype, TensorData } from './safetensors-dtype.ts';
export type { Metadata, TensorToWrite } from './safetensors-layout.ts';
export { openPyTorch } from './pytorch-reader.ts';
export { openSafetensors } from './safetensors-reader.ts';
export { SafetensorsFile, openSafetensorsBytes } from './safetensors-source.ts';
export type { ByteSource } from './safetensors-source.ts';
export { safetensorsChunks, writeSafetensors } from './safetensors-writer.ts';
export { openShardedPyTorch, openShardedSafetensors } from './sharded-reader.ts';
export { modelWeightsFile, writeModelWeights } from './sharded-writer.ts';
export type { ModelWeightsOptions } from './sharded-writer.ts';
export { openTensorFlowCheckpoint } from './tensorflow-checkpoint.ts';
export { MAX_TEXT_BYTES, readTextFile, readTextFileIfPresent } from './text-file.ts';
export type { TensorEntry, WeightSource } from './weight-source.ts';
