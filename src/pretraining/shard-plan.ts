/** What is between the two passes of `prepare`: which documents go to which part, and which of them make a shard. */
import { join } from 'node:path';
import { badInput } from '../support/errors.ts';
import { Random } from '../support/random.ts';
import { Corpus } from './corpus-file.ts';
import type { CorpusCounts } from './corpus-file.ts';
import { HELD_OUT_DIRECTORY } from './manifest.ts';
import type { Part, Recipe } from './manifest.ts';
import { LEAST_DOCUMENTS } from './pairs.ts';
import type { ShardJob, WorkSettings } from './prepare-work.ts';

/** Documents that become shards of one directory. */
export interface PartPlan {
  readonly part: Part;
  readonly directory: string;
  readonly recipe: Recipe;
  /** In the order of the corpus, in memory that threads share. */
  readonly documents: Uint32Array;
  /** Pieces of each document of the corpus. */
  readonly sizes: Uint32Array;
}

/**
 * Splits the documents, by a draw of so many of them, into those held out (if any) and those to train on.
 *
 * @throws BertramError `bad-input` where less than two are left for a part
 */
export async function planParts(
  outputDir: string,
  { recipe, corpusDirectory }: WorkSettings,
  { documents: count }: CorpusCounts,
  inputs: readonly string[],
): Promise<PartPlan[]> {
  const corpus = await Corpus.open(corpusDirectory, recipe.vocabularySize);
  const sizes = Uint32Array.from({ length: count }, (_, document) => corpus.pieceCount(document));
  corpus.close();
  const order = new Random(recipe.seed, 'held-out').shuffle(Uint32Array.from(sizes.keys()));
  const heldOutCount = Math.round(recipe.heldOut * count);
  const plan = (part: Part, documents: Uint32Array, directory: string): PartPlan => {
    if (documents.length < LEAST_DOCUMENTS)
      badInput(inputs.join(', '), `at least two ${part} documents`, `${documents.length} of ${count}`);
    const shared = new Uint32Array(new SharedArrayBuffer(documents.byteLength));
    shared.set(documents.slice().sort());
    return { part, directory, recipe, documents: shared, sizes };
  };
  const training = plan('training', order.subarray(heldOutCount), outputDir);
  if (recipe.heldOut === 0) return [training];
  const heldOut = plan('held-out', order.subarray(0, heldOutCount), join(outputDir, HELD_OUT_DIRECTORY));
  return [heldOut, training];
}

/**
 * Every document `dupeFactor` times: the corpus in one random order after the other, each cut into shards of about equal
 * size.
 */
export function* shardJobs({ part, directory, recipe, documents, sizes }: PartPlan): Generator<ShardJob> {
  const total = documents.reduce((sum, document) => sum + sizes[document]!, 0);
  const shardsPerPass = Math.max(1, Math.round(total / recipe.shardPieces));
  let number = 0;
  for (let pass = 0; pass < recipe.dupeFactor; pass++) {
    const order = new Random(recipe.seed, `${part}/order-${pass}`).shuffle(documents.slice());
    let begin = 0;
    let pieces = 0;
    for (let i = 0; i < order.length; i++) {
      const shard = Math.floor((pieces * shardsPerPass) / total);
      pieces += sizes[order[i]!]!;
      const isLast = i === order.length - 1;
      if (!isLast && Math.floor((pieces * shardsPerPass) / total) === shard) continue;
      yield { part, number, directory, documents: order.slice(begin, i + 1), candidates: documents };
      begin = i + 1;
      number++;
    }
  }
}
