/**
 * One training step, update included, against PyTorch in float32 and under bfloat16 autocast: BERT-base for question
 * answering, batch 4, length 384, dropout on. Ours runs in float32 and with int8 products (SwitchBack).
 */
import { loadavg } from 'node:os';
import { median, requirePeer, type BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const SIZE = ['base', '4', '384'] as const;
const BATCH = 4;
const ROUNDS = 2;
/** Steps of one process that count, after some in which memory is found. */
const STEPS = 4;
const WARM_UP_STEPS = 3;

const SIDES = {
  'bertram int8': () => PeerProcess.typescript('sides/train-step.ts', ...SIZE, 'int8'),
  'bertram float32': () => PeerProcess.typescript('sides/train-step.ts', ...SIZE, 'float32'),
  'pytorch float32': (python: string) => PeerProcess.python(python, 'peers/train_step.py', ...SIZE, 'fp32'),
  'pytorch bfloat16': (python: string) => PeerProcess.python(python, 'peers/train_step.py', ...SIZE, 'bf16'),
} as const;
type Side = keyof typeof SIDES;

interface Step {
  readonly seconds: number;
  readonly peak_bytes: number;
}

/** @throws BertramError `not-found` without a Python that has PyTorch and transformers */
export async function run(): Promise<BenchResult> {
  const python = requirePeer('train-step', 'torch', 'transformers');
  const steps: (Step & { readonly side: Side; readonly loadAverage: number })[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // One process at a time: four models at once would not fit a small machine.
    for (const side of Object.keys(SIDES) as Side[]) {
      const process = SIDES[side](python);
      await process.read();
      for (let i = 0; i < WARM_UP_STEPS; i++) await process.ask('warm-up');
      for (let i = 0; i < STEPS; i++) {
        const step = await process.ask<Step>('step');
        steps.push({ side, ...step, loadAverage: loadavg()[0]! });
      }
      await process.close();
    }
  }
  const of = (side: Side): typeof steps => steps.filter((step) => step.side === side);
  const speed = (side: Side): number => BATCH / median(of(side).map(({ seconds }) => seconds));
  const summary = (Object.keys(SIDES) as Side[]).map((side) => ({
    side,
    samplesPerSecond: speed(side),
    peakGigabytes: Math.max(...of(side).map(({ peak_bytes }) => peak_bytes)) / 1e9,
    overPytorchFloat32: speed(side) / speed('pytorch float32'),
    overPytorchBfloat16: speed(side) / speed('pytorch bfloat16'),
  }));
  const ours = speed('bertram int8');
  const peer = speed('pytorch float32');
  return {
    name: 'train-step',
    ours,
    peer,
    unit: 'samples/s',
    ratio: ours / peer,
    runs: [...summary, ...steps],
  };
}
