/** Where models lie: directories in Hugging Face layout, the one that ships with the package among them. Needs Node. */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readModelDirectory, type ModelDirectory } from '../checkpoint/index.ts';
import { BertramError, shown } from '../support/errors.ts';

/** Both `src/pipelines/` and `dist/pipelines/` lie two levels below the package. */
export const defaultModelDirectory = fileURLToPath(
  new URL('../../models/bertram-minilm-squad', import.meta.url),
);

/**
 * Reads the texts of a model directory, or of the one that ships with the package.
 *
 * @throws BertramError `not-found` when there is no such directory, `unsupported` for the name of a model on the Hub
 */
export async function openModelDirectory(model: string = defaultModelDirectory): Promise<ModelDirectory> {
  if (looksLikeHubName(model) && !(await exists(model))) {
    throw new BertramError(
      'unsupported',
      `model ${shown(model)}: expected a directory, got a Hub name; downloading is not supported yet`,
    );
  }
  return readModelDirectory(model);
}

/** `owner/name`, which a relative path may be as well. */
function looksLikeHubName(model: string): boolean {
  return /^[\w-][\w.-]*\/[\w.-]+$/.test(model);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
