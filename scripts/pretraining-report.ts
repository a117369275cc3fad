/**
 * What pretraining runs learnt: draws their curves, and prints how well their heads do on held-out examples beside two
 * baselines that know nothing of the context, the frequencies of pieces and a coin.
 *
 *     tsx scripts/pretraining-report.ts SHARDS IMAGES NAME=RUN...
 *
 * SHARDS is a directory of `bertram prepare --held-out`, IMAGES where the SVG files go, RUN an output directory of
 * `bertram pretrain`, of one phase or several.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lineChart, type Series } from '../src/charts/index.ts';
import { openPretrainingExamples, type PretrainingExamples } from '../src/pretraining/index.ts';

type Entry = { readonly step: number } & Readonly<Record<string, number>>;
type Point = readonly [x: number, y: number];

const [shards, images, ...runs] = process.argv.slice(2) as [string, string, ...string[]];

/** The directories of a run's phases, in their order; the last one's is the run's own. */
function phasesOf(run: string): string[] {
  const before = [1, 2, 3, 4].map((phase) => join(run, `phase-${phase}`));
  return [...before.filter((path) => existsSync(path)), run];
}

/** The log of all phases, their updates counted on. */
function logOf(run: string): Entry[] {
  let before = 0;
  return phasesOf(run).flatMap((directory) => {
    const path = join(directory, 'trainer_state.json');
    if (!existsSync(path)) return [];
    const state = JSON.parse(readFileSync(path, 'utf8')) as { global_step: number; log_history: Entry[] };
    const entries = state.log_history.map((entry) => ({ ...entry, step: entry.step + before }));
    before += state.global_step;
    return entries;
  });
}

/** The losses of single batches jump about: each point is the mean of so many entries. */
const ENTRIES_A_POINT = 5;

function smoothed(points: readonly Point[]): Point[] {
  const means: Point[] = [];
  for (let begin = 0; begin + ENTRIES_A_POINT <= points.length; begin += ENTRIES_A_POINT) {
    const part = points.slice(begin, begin + ENTRIES_A_POINT);
    means.push([part.at(-1)![0], part.reduce((sum, [, y]) => sum + y, 0) / ENTRIES_A_POINT]);
  }
  return means;
}

function draw(file: string, title: string, yLabel: string, seriesOf: (log: Entry[]) => Point[]): void {
  const series: Series[] = runs.map((run) => {
    const [name, directory] = run.split('=') as [string, string];
    return { name, points: seriesOf(logOf(directory)) };
  });
  writeFileSync(join(images, file), lineChart({ title, xLabel: 'update', yLabel, series }));
}

const column =
  (name: string) =>
  (log: Entry[]): Point[] =>
    log.filter((entry) => name in entry).map((entry) => [entry.step, entry[name]!]);

draw('pretraining-loss.svg', 'Masked language model', 'loss on training batches (nats)', (log) =>
  smoothed(column('mlm_loss')(log)),
);
draw(
  'pretraining-accuracy.svg',
  'Masked pieces of held-out documents',
  'accuracy',
  column('eval_mlm_accuracy'),
);

/** How often each piece stands at a masked place. */
function frequencies(examples: PretrainingExamples): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < examples.size; i++)
    for (const id of examples.read(i).maskedLmIds) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

const training = await openPretrainingExamples(shards);
const heldOut = await openPretrainingExamples(join(shards, 'held-out'));
const [known, wanted] = [frequencies(training), frequencies(heldOut)];
const total = (counts: Map<number, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
const likeliest = [...known].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
let loss = 0;
// One is added to each count, so that a piece that was never seen has a finite loss.
for (const [id, count] of wanted)
  loss -= (count / total(wanted)) * Math.log(((known.get(id) ?? 0) + 1) / (total(known) + known.size));
const rows: Record<string, Record<string, number>> = {
  'frequencies, a coin': {
    eval_mlm_loss: loss,
    eval_mlm_accuracy: (wanted.get(likeliest) ?? 0) / total(wanted),
    eval_nsp_accuracy: 0.5,
  },
};
for (const run of runs) {
  const [name, directory] = run.split('=') as [string, string];
  for (const [i, path] of phasesOf(directory).entries()) {
    const file = join(path, 'eval_results.json');
    if (!existsSync(file)) continue;
    const { eval_mlm_loss, eval_mlm_accuracy, eval_nsp_accuracy } = JSON.parse(
      readFileSync(file, 'utf8'),
    ) as Record<string, number>;
    rows[`${name}, phase ${i + 1}`] = {
      eval_mlm_loss: eval_mlm_loss!,
      eval_mlm_accuracy: eval_mlm_accuracy!,
      eval_nsp_accuracy: eval_nsp_accuracy!,
    };
  }
}
console.table(rows);
