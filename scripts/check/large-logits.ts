/**
 * Compares logits with those of transformers at the published sizes, on random weights: too large for the test suite.
 *
 *     npx tsx scripts/check/large-logits.ts --python PYTHON [tiny] [base] [large]
 *
 * Fails when a logit differs by more than 1e-4. The large model takes 1.4 GB of disk and 3 GB of memory.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadQuestionAnsweringModel } from '../../src/pipelines/index.ts';

const TOLERANCE = 1e-4;

type Rows = readonly (readonly number[])[];
interface Batch {
  readonly input_ids: Rows;
  readonly token_type_ids: Rows;
  readonly start_logits: Rows;
  readonly end_logits: Rows;
}

const { values, positionals } = parseArgs({
  options: { python: { type: 'string', default: 'python3' } },
  allowPositionals: true,
});

for (const size of positionals.length > 0 ? positionals : ['tiny', 'base']) {
  const directory = mkdtempSync(join(tmpdir(), `bertram-${size}-`));
  try {
    execFileSync(values.python, ['scripts/check/large_logits.py', size, directory], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, TQDM_DISABLE: '1' },
    });
    const batches = JSON.parse(readFileSync(join(directory, 'expected.json'), 'utf8')) as Batch[];
    const model = await loadQuestionAnsweringModel({ model: directory });
    for (const batch of batches) {
      const logits = await model.logits(
        batch.input_ids.map((ids, row) => ({
          inputIds: Int32Array.from(ids),
          tokenTypeIds: Uint8Array.from(batch.token_type_ids[row]!),
        })),
      );
      let difference = 0;
      let largest = 0;
      logits.forEach(({ startLogits, endLogits }, row) => {
        for (const [ours, theirs] of [
          [startLogits, batch.start_logits[row]!],
          [endLogits, batch.end_logits[row]!],
        ] as const) {
          theirs.forEach((value, i) => {
            difference = Math.max(difference, Math.abs(ours[i]! - value));
            largest = Math.max(largest, Math.abs(value));
          });
        }
      });
      const lengths = batch.input_ids.map(({ length }) => length).join(', ');
      console.log(
        `${size}, lengths ${lengths}: largest difference ${difference.toExponential(2)}, largest logit ${largest.toFixed(2)}`,
      );
      if (!(difference <= TOLERANCE)) process.exitCode = 1;
    }
    await model.release();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
console.log(`peak memory ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`);
