/** Our side of `bench/train-step.ts`: the same protocol as `bench/peers/train_step.py`. */
import { createInterface } from 'node:readline';
import { presetConfig, type PresetName } from '../../src/bert/index.ts';
import { fineTuningAdamW } from '../../src/optim/index.ts';
import { questionAnsweringObjective } from '../../src/squad/fine-tuning.ts';
import { Random } from '../../src/support/random.ts';
import { TrainStep, type Recompute } from '../../src/training/index.ts';

const [preset, batch, length, linearPrecision, recompute = 'nothing'] = process.argv.slice(2) as [
  PresetName,
  string,
  string,
  'float32' | 'int8',
  Recompute?,
];
const [B, S] = [Number(batch), Number(length)];
const config = presetConfig(preset, 28996);
const objective = questionAnsweringObjective(config);
const engine = await TrainStep.create(objective, {
  optimizer: fineTuningAdamW,
  maxGradNorm: 1,
  seed: 0,
  linearPrecision,
  recompute,
});
engine.state.initialize(0);

const random = new Random(1);
const ids = (value: (column: number) => number) => ({
  data: Int32Array.from({ length: B * S }, (_, i) => value(i % S)),
  shape: [B, S],
});
const positions = (value: number) => ({ data: new Int32Array(B).fill(value), shape: [B] });
const feeds = {
  input_ids: ids(() => random.nextInteger(config.vocabSize)),
  token_type_ids: ids((column) => (column > 20 ? 1 : 0)),
  attention_mask: ids(() => 1),
  start_positions: positions(30),
  end_positions: positions(33),
};
const sizes = new Map([
  ['B', B],
  ['S', S],
]);

console.log(JSON.stringify({ ready: true }));
let step = 0;
for await (const _ of createInterface(process.stdin)) {
  step += 1;
  const began = performance.now();
  const { loss } = await engine.backward(feeds, sizes, step);
  await engine.update(step, 3e-5);
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ seconds, loss, peak_bytes: process.resourceUsage().maxRSS * 1024 }));
}
