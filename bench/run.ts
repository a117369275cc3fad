/**
 * `npm run bench -- NAME [--json]`: one comparison with a peer, both sides measured in turns. Names: tokenizer, prepare,
 * vocab, question-answering, train-step, memory, classify. Peers are found in the Python that BERTRAM_PEER_PYTHON names, or in `python3`.
 */
import { BertramError } from '../src/support/errors.ts';
import type { BenchResult } from './bench-result.ts';

const BENCHES: Readonly<Record<string, () => Promise<{ run: () => Promise<BenchResult> }>>> = {
  tokenizer: () => import('./tokenizer.ts'),
  prepare: () => import('./prepare.ts'),
  vocab: () => import('./vocab.ts'),
  'question-answering': () => import('./question-answering.ts'),
  'train-step': () => import('./train-step.ts'),
  memory: () => import('./memory.ts'),
  classify: () => import('./classify.ts'),
};

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const bench = BENCHES[names[0] ?? ''];
try {
  if (bench === undefined || names.length !== 1) {
    const expected = Object.keys(BENCHES).join(', ');
    throw new BertramError(
      'bad-input',
      `bench: expected one of ${expected}, got ${names.join(' ') || 'nothing'}`,
    );
  }
  const result = await (await bench()).run();
  if (process.argv.includes('--json')) console.log(JSON.stringify(result));
  else {
    const { name, ours, peer, unit, ratio, runs } = result;
    for (const run of runs) console.log(JSON.stringify(run));
    console.log(
      `${name}: ours ${ours.toFixed(2)} ${unit}, peer ${peer.toFixed(2)} ${unit}, ratio ${ratio.toFixed(2)}`,
    );
  }
} catch (error) {
  if (!(error instanceof BertramError)) throw error;
  console.error(error.message);
  process.exitCode = error.code === 'bad-input' || error.code === 'not-found' ? 2 : 1;
}
