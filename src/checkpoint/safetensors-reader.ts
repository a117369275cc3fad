/**
 * Safetensors files on disk, single or sharded.
 *
 * A sharded model is a directory of safetensors files with `model.safetensors.index.json`, which maps every tensor to
 * its file: `{"metadata":{"total_size":24},"weight_map":{"a":"model-00001-of-00002.safetensors"}}`. Reference:
 * `split_torch_state_dict_into_shards` of huggingface_hub, which writes it.
 */
import { openFileBytes } from './file-bytes.ts';
import { SafetensorsFile } from './safetensors-source.ts';

/**
 * Opens a safetensors file and checks its header against the file's size. The caller closes it.
 *
 * @throws BertramError `not-found` if there is none, `bad-input` if it is malformed, each naming the file
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const source = await openFileBytes(path);
  try {
    return await SafetensorsFile.open(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}
