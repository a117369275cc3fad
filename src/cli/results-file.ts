/** Results of a command as a JSON file, which appears whole or not at all. */
import { writeFileAtomic } from '../checkpoint/index.ts';
import { formatJson } from '../support/json-text.ts';

export async function writeResults(path: string, results: object): Promise<void> {
  await writeFileAtomic(path, formatJson(results));
}
