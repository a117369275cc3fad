/** The second pass of `prepare`: threads make shards of documents, and each one that is complete leaves its record. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { gatherValues, inTurns, type Communicator } from '../distributed/index.ts';
import { readTextFileIfPresent } from '../checkpoint/text-file.ts';
import { fileSha256 } from '../checkpoint/file-checksum.ts';
import { formatRecord, parseRecord, schemas, totalCounts } from './manifest.ts';
import type { Manifest, Part, ShardRecord } from './manifest.ts';
import { inOrder } from './ordered-work.ts';
import type { PrepareWorker, ShardJob } from './prepare-work.ts';
import { shardJobs } from './shard-plan.ts';
import type { PartPlan } from './shard-plan.ts';

export interface ShardPassEvent {
  readonly type: 'shard';
  readonly part: Part;
  readonly shard: ShardRecord;
  /** Whether an earlier run had made it. */
  readonly reused: boolean;
  /** Source pieces of all parts, duplicates included; with several ranks, about this one's share of them. */
  readonly piecesDone: number;
  readonly pieces: number;
}

/**
 * Writes the shards of all parts, but those that are there already by their record in the work directory. Ranks take them
 * in turns.
 *
 * @returns on every rank, what is to become the manifest of each part
 */
export async function writeParts(
  parts: readonly PartPlan[],
  workDirectory: string,
  workers: readonly PrepareWorker[],
  ranks: Communicator,
  emit: (event: ShardPassEvent) => void,
): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  const sizeOf = ({ documents, sizes, recipe }: PartPlan): number =>
    recipe.dupeFactor * documents.reduce((sum, document) => sum + sizes[document]!, 0);
  const pieces = Math.round(parts.reduce((sum, part) => sum + sizeOf(part), 0) / ranks.size);
  let piecesDone = 0;
  for (const plan of parts) {
    const { part, directory, recipe, documents, sizes } = plan;
    await mkdir(directory, { recursive: true });
    const own: ShardRecord[] = [];
    const written = inOrder(ownJobs(plan, ranks), workers, async (worker, job) => {
      const recordPath = join(workDirectory, `${part}-${job.number}.json`);
      const finished = await finishedShard(recordPath, directory);
      const shard = finished ?? (await worker.writeShard(job));
      if (finished === undefined) await writeFileAtomic(recordPath, formatRecord(shard));
      const size = job.documents.reduce((sum, document) => sum + sizes[document]!, 0);
      return { shard, size, reused: finished !== undefined };
    });
    for await (const { shard, size, reused } of written) {
      piecesDone += size;
      own.push(shard);
      emit({ type: 'shard', part, shard, reused, piecesDone, pieces });
    }
    const shards = inTurns(await gatherValues(ranks, own));
    manifests.push({
      format: 'bertram-pretraining-shards',
      version: 1,
      part,
      documents: documents.length,
      recipe,
      counts: totalCounts(shards),
      shards,
    });
  }
  return manifests;
}

function* ownJobs(plan: PartPlan, { rank, size }: Communicator): Generator<ShardJob> {
  for (const job of shardJobs(plan)) if (job.number % size === rank) yield job;
}

/** The record of a shard that an earlier run completed, if the file is what the record says. */
async function finishedShard(recordPath: string, directory: string): Promise<ShardRecord | undefined> {
  const text = await readTextFileIfPresent(recordPath);
  if (text === undefined) return undefined;
  const record = parseRecord(schemas.shard, text, recordPath);
  const sha256 = await fileSha256(join(directory, record.file)).catch(() => undefined);
  return sha256 === record.sha256 ? record : undefined;
}
