/**
 * A training step of BERT-large for question answering, batch 2, length 384, dropout on: the peak of resident memory and
 * the time, with what is kept for the backward pass and what is computed again, against PyTorch in float32 and under
 * bfloat16 autocast, and against what `bertram inspect --training` predicts.
 */
import { loadavg } from 'node:os';
import { presetConfig } from '../src/bert/index.ts';
import { questionAnsweringObjective } from '../src/squad/fine-tuning.ts';
import { trainingMemory, type Recompute } from '../src/training/index.ts';
import { median, requirePeer, type BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const [PRESET, BATCH, LENGTH] = ['large', 2, 384] as const;
const SIZE = [PRESET, `${BATCH}`, `${LENGTH}`] as const;
const STEPS = 3;
/** The engine takes memory, and it is moved to huge pages, in the first steps. */
const WARM_UP_STEPS = 3;

const OURS = (['float32', 'int8'] as const).flatMap((linearPrecision) =>
  (['nothing', 'cheap', 'layers'] as const).map((recompute) => ({ linearPrecision, recompute })),
);
const PEERS = ['fp32', 'bf16'] as const;

interface Step {
  readonly seconds: number;
  readonly peak_bytes: number;
}

interface Measured {
  readonly secondsPerStep: number;
  readonly peakGigabytes: number;
  readonly loadAverage: number;
}

interface Row extends Measured {
  readonly side: string;
  readonly recompute?: Recompute;
  readonly predictedGigabytes?: number;
}

/** @throws BertramError `not-found` without a Python that has PyTorch and transformers */
export async function run(): Promise<BenchResult> {
  const python = requirePeer('memory', 'torch', 'transformers');
  const rows: Row[] = [];
  const add = (row: Row): void => {
    rows.push(row);
    // It takes minutes: what is known so far is told.
    console.error(JSON.stringify(row));
  };
  for (const { linearPrecision, recompute } of OURS) {
    const args = [...SIZE, linearPrecision, recompute];
    const measured = await measure(PeerProcess.typescript('sides/train-step.ts', ...args));
    const predictedGigabytes = predict(linearPrecision, recompute) / 1e9;
    add({ side: `bertram ${linearPrecision}`, recompute, ...measured, predictedGigabytes });
  }
  for (const precision of PEERS) {
    const measured = await measure(PeerProcess.python(python, 'peers/train_step.py', ...SIZE, precision));
    add({ side: `pytorch ${precision}`, ...measured });
  }
  const peakOf = (side: string): number => rows.find((row) => row.side === side)!.peakGigabytes;
  const [ours, peer] = [peakOf('bertram float32'), peakOf('pytorch fp32')];
  return { name: 'memory', ours, peer, unit: 'GB at the peak', ratio: ours / peer, runs: rows };
}

async function measure(process: PeerProcess): Promise<Measured> {
  await process.read();
  const steps: Step[] = [];
  for (let i = 0; i < WARM_UP_STEPS + STEPS; i++) steps.push(await process.ask<Step>('step'));
  await process.close();
  return {
    secondsPerStep: median(steps.slice(WARM_UP_STEPS).map(({ seconds }) => seconds)),
    peakGigabytes: Math.max(...steps.map(({ peak_bytes }) => peak_bytes)) / 1e9,
    loadAverage: loadavg()[0]!,
  };
}

function predict(linearPrecision: 'float32' | 'int8', recompute: Recompute): number {
  const sizes = new Map([
    ['B', BATCH],
    ['S', LENGTH],
  ]);
  const objective = questionAnsweringObjective(presetConfig(PRESET, 28996));
  return trainingMemory(objective, sizes, { linearPrecision, recompute }).total_bytes;
}
