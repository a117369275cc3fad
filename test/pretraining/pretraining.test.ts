/**
 * Pretraining from examples to a model directory: its updates against Google's optimizer written in PyTorch, what it
 * saves against transformers, stopping and going on, and what it refuses.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bertConfigOf, saveBert } from '../../src/bert/index.ts';
import { openModelWeights, readModelDirectory, type ModelDirectory } from '../../src/checkpoint/index.ts';
import {
  phaseSettings,
  presetRecipe,
  pretrain,
  pretrainingObjective,
  trainingOptionsOf,
  type PretrainingOptions,
} from '../../src/pretraining/index.ts';
import { TrainingStopped, type TrainingEvent, type TrainingOptions } from '../../src/training/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';
import { config, examples, golden, inMemory, patterned, projection } from './golden-pretraining.ts';

const vocabulary = {
  vocabText: Array.from({ length: 99 }, (_, i) => `piece${i}\n`).join(''),
  tokenizerJsonText: undefined,
  doLowerCase: false,
};
const withoutDropout = { ...config, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
const run = { seed: 42, shuffle: true, groupByLength: false, loggingSteps: 0, saveSteps: 0, threads: 1 };
const { options } = golden;

const training: TrainingOptions = trainingOptionsOf(
  phaseSettings(presetRecipe('tiny'), {
    trainBatchSize: options.batch_size,
    numTrainSteps: options.num_train_steps,
    numWarmupSteps: options.num_warmup_steps,
    learningRate: options.learning_rate,
    maxGradNorm: options.max_grad_norm,
  })[0]!,
  run,
  options.steps,
);

/** The model whose weights are made from their names. */
async function patternedModel(keep: (name: string) => boolean = () => true): Promise<ModelDirectory> {
  const directory = temporaryDirectory();
  const tensors = pretrainingObjective(config)
    .parameters.filter(({ name }) => keep(name))
    .map((one) => ({ name: one.name, dtype: 'F32' as const, shape: one.shape, data: patterned(one) }));
  await saveBert(
    directory,
    { architecture: 'BertForPreTraining', config: withoutDropout, vocabulary },
    tensors,
  );
  return readModelDirectory(directory);
}

async function pretrained(changes: Partial<PretrainingOptions> = {}) {
  const events: TrainingEvent[] = [];
  const outputDir = changes.outputDir ?? temporaryDirectory();
  const outcome = await pretrain({
    config: withoutDropout,
    examples: inMemory(examples),
    vocabulary,
    training,
    outputDir,
    ...changes,
    onEvent: (event) => {
      events.push(event);
      changes.onEvent?.(event);
    },
  });
  const losses = events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
  return { ...outcome, outputDir, events, losses };
}

async function weightsOf(directory: string): Promise<Map<string, Float32Array>> {
  const source = await openModelWeights(directory);
  const weights = new Map<string, Float32Array>();
  for (const name of source.tensors.keys()) weights.set(name, await source.readFloat32(name));
  await source.close();
  return weights;
}

/** Of the first examples, with the weights that are made from their names. */
function nspAccuracyOf(members: typeof examples): number {
  const logits = golden.plain.seq_relationship_logits;
  const right = members.filter(
    ({ nextSentenceLabel }, i) => Number(logits[2 * i + 1]! > logits[2 * i]!) === nextSentenceLabel,
  );
  return right.length / members.length;
}

describe('a run', () => {
  it('makes the updates of google-research/bert', async () => {
    const { losses, events, outputDir } = await pretrained({
      initFrom: await patternedModel(),
      training: { ...training, shuffle: false, loggingSteps: 1 },
    });
    expect(losses).toHaveLength(12);
    losses.forEach((loss, i) => expect(loss / golden.run.losses[i]!).toBeCloseTo(1, 4));
    const entries = events.flatMap((event) => (event.type === 'log' ? [event.entry] : []));
    for (const { loss, mlm_loss, nsp_loss } of entries) expect(mlm_loss! + nsp_loss!).toBeCloseTo(loss, 4);
    expect(entries[0]!['nsp_accuracy']).toBe(nspAccuracyOf(examples.slice(0, 4)));
    entries.forEach(({ grad_norm }, i) => expect(grad_norm / golden.run.norms[i]!).toBeCloseTo(1, 3));
    // The fall is from the first update on, of 15; the warm-up only overrides it.
    expect(entries.map(({ learning_rate }) => learning_rate)).toEqual(
      [0, 0.25, 0.5, 0.75, 11 / 15, 10 / 15, 9 / 15, 8 / 15, 7 / 15, 6 / 15, 5 / 15, 4 / 15].map(
        (factor) => expect.closeTo(factor * 1e-2, 12) as number,
      ),
    );
    const weights = await weightsOf(outputDir);
    expect([...weights.keys()].sort()).toEqual(Object.keys(golden.run.final).sort());
    for (const [name, wanted] of Object.entries(golden.run.final)) {
      // A gradient of rounding errors is made as large as any by Adam.
      if (!/self\.key\.bias$/.test(name)) expect(projection(name, weights.get(name)!)).toBeCloseTo(wanted, 2);
    }
  });

  it('learns: it fits the examples, on which it is then right', async () => {
    const steps = { numTrainSteps: 120, trainBatchSize: 13, learningRate: 1e-2 };
    const { metrics, losses } = await pretrained({
      training: trainingOptionsOf(phaseSettings(presetRecipe('tiny'), steps)[0]!, run),
      heldOut: inMemory(examples),
    });
    expect(losses[0]).toBeGreaterThan(4.5);
    expect(metrics).toMatchObject({ eval_mlm_accuracy: 1, eval_nsp_accuracy: 1, eval_samples: 13 });
    expect(metrics!.eval_loss).toBeLessThan(0.1);
  });

  it('leaves an evaluation when it is asked to stop, and makes it when it goes on', async () => {
    const changes = { config, training: { ...training, evalSteps: 5 }, evalBatchSize: 2 };
    const whole = await pretrained({ ...changes, heldOut: inMemory(examples) });
    const outputDir = temporaryDirectory();
    const request = new AbortController();
    const read: number[] = [];
    const held = inMemory(examples);
    const heldOut: typeof held = {
      ...held,
      read: (index) => {
        read.push(index);
        if (index === 4) request.abort();
        return held.read(index);
      },
    };
    const cut = pretrained({ ...changes, outputDir, heldOut, signal: request.signal });
    await expect(cut).rejects.toEqual(new TrainingStopped(5));
    expect(read).toEqual([0, 1, 2, 3, 4, 5]);
    const resumeFrom = join(outputDir, 'checkpoint-5');
    const resumed = await pretrained({ ...changes, outputDir, resumeFrom, heldOut: inMemory(examples) });
    const logOf = (directory: string): unknown =>
      (JSON.parse(readFileSync(join(directory, 'trainer_state.json'), 'utf8')) as Record<string, unknown>)[
        'log_history'
      ];
    expect(logOf(outputDir)).toEqual(logOf(whole.outputDir));
    expect(resumed.metrics).toEqual(whole.metrics);
    expect(await weightsOf(outputDir)).toEqual(await weightsOf(whole.outputDir));
  });

  it('goes on from a checkpoint to the very weights of a run that was not stopped', async () => {
    const changes = { config, training: { ...training, saveSteps: 5, loggingSteps: 5 } };
    const whole = await pretrained(changes);
    const outputDir = temporaryDirectory();
    const stop = (event: TrainingEvent): void => {
      if (event.type === 'saved' && event.step === 5) throw new Error('power cut');
    };
    await expect(pretrained({ ...changes, outputDir, onEvent: stop })).rejects.toThrow('power cut');
    const resumed = await pretrained({ ...changes, outputDir, resumeFrom: join(outputDir, 'checkpoint-5') });
    expect(resumed.losses).toEqual(whole.losses.slice(5));
    expect(await weightsOf(outputDir)).toEqual(await weightsOf(whole.outputDir));
    const log = (directory: string): string => readFileSync(join(directory, 'trainer_state.json'), 'utf8');
    expect(log(outputDir)).toBe(log(whole.outputDir));
  });

  it('starts from the weights of a model, with new heads where it has none', async () => {
    const none = { ...training, maxSteps: 0 };
    const names: string[] = [];
    const initFrom = await patternedModel((name) => !name.startsWith('cls.'));
    const { outputDir } = await pretrained({
      initFrom,
      training: none,
      onNewParameters: (all) => names.push(...all),
    });
    expect(names.sort()).toEqual(
      Object.keys(golden.run.final)
        .filter((name) => name.startsWith('cls.'))
        .sort(),
    );
    const [from, to] = [await weightsOf(initFrom.path), await weightsOf(outputDir)];
    for (const [name, values] of from) expect(to.get(name)).toEqual(values);
    expect(to.get('cls.seq_relationship.weight')!.some((value) => value !== 0)).toBe(true);
  });
});

describe('evaluation', () => {
  it('finds the losses of BertForPreTraining, whatever the batches', async () => {
    for (const evalBatchSize of [13, 4, 1]) {
      const { metrics } = await pretrained({
        initFrom: await patternedModel(),
        training: { ...training, maxSteps: 0 },
        heldOut: inMemory(examples),
        evalBatchSize,
      });
      const [, mlm, nsp] = golden.plain.losses;
      expect(metrics!.eval_mlm_loss).toBeCloseTo((mlm * (25 + 1e-5)) / 25, 4);
      expect(metrics!.eval_nsp_loss).toBeCloseTo(nsp, 4);
      expect(metrics!.eval_loss).toBeCloseTo(metrics!.eval_mlm_loss + metrics!.eval_nsp_loss, 12);
      expect(metrics).toMatchObject({ eval_samples: 13, eval_predictions: 25 });
      expect(metrics!.eval_nsp_accuracy).toBeCloseTo(nspAccuracyOf(examples), 12);
    }
  });

  it('happens as often as asked, and is in the log beside the training', async () => {
    const { outputDir, events } = await pretrained({
      training: { ...training, evalSteps: 5, loggingSteps: 5 },
      heldOut: inMemory(examples.slice(0, 3)),
    });
    const { log_history: log } = JSON.parse(readFileSync(join(outputDir, 'trainer_state.json'), 'utf8')) as {
      log_history: Record<string, number>[];
    };
    expect(log.map((entry) => [entry['step'], 'loss' in entry, 'eval_mlm_accuracy' in entry])).toEqual([
      ...[5, 10].flatMap((step) => [
        [step, true, false],
        [step, false, true],
      ]),
      [12, false, true],
    ]);
    expect(events.filter(({ type }) => type === 'evaluation')).toHaveLength(3);
  });
});

describe('what is saved', () => {
  const python = process.env['BERTRAM_PEER_PYTHON'];

  it('is a BertForPreTraining in transformers’ layout', async () => {
    const { outputDir } = await pretrained({ config, training: { ...training, maxSteps: 1 } });
    const model = await readModelDirectory(outputDir);
    expect(JSON.parse(model.configText)).toMatchObject({
      architectures: ['BertForPreTraining'],
      vocab_size: 99,
    });
    expect(bertConfigOf(model)).toEqual(config);
    expect(model.vocabText).toBe(vocabulary.vocabText);
    expect([...(await weightsOf(outputDir)).keys()].sort()).toEqual(Object.keys(golden.run.final).sort());
  });

  it.skipIf(python === undefined)('gives the same losses in transformers (BERTRAM_PEER_PYTHON)', async () => {
    const { outputDir, metrics } = await pretrained({ heldOut: inMemory(examples) });
    const script = `
import json, sys, torch
from transformers import BertForPreTraining
model, info = BertForPreTraining.from_pretrained(sys.argv[1], output_loading_info=True)
assert not info["missing_keys"] and not info["unexpected_keys"], info
labels, pairs, total = 0.0, 0.0, 0
for example in json.load(open("test/golden/pretraining/heads.json"))["examples"]:
    ids, size = torch.tensor([example["input_ids"]]), len(example["input_ids"])
    types = (torch.arange(size) >= example["second_segment"]).long()[None]
    with torch.no_grad():
        out = model.eval()(input_ids=ids, token_type_ids=types)
    wanted = torch.tensor(example["masked_lm_ids"])
    places = out.prediction_logits[0, example["masked_lm_positions"]]
    labels += torch.nn.functional.cross_entropy(places, wanted, reduction="sum").item()
    total += len(wanted)
    pairs += torch.nn.functional.cross_entropy(out.seq_relationship_logits, torch.tensor([example["next_sentence_label"]])).item()
print(json.dumps([labels / total, pairs / 13]))`;
    const [mlm, nsp] = JSON.parse(execFileSync(python!, ['-c', script, outputDir], { encoding: 'utf8' })) as [
      number,
      number,
    ];
    expect(metrics!.eval_mlm_loss).toBeCloseTo(mlm, 4);
    expect(metrics!.eval_nsp_loss).toBeCloseTo(nsp, 4);
  });
});

describe('what does not fit is refused before any work', () => {
  const refusal = (changes: Partial<PretrainingOptions>): Promise<unknown> =>
    pretrained(changes).then(
      () => 'nothing',
      (error: unknown) => (error as Error).message,
    );

  it('no examples, and examples longer than the model', async () => {
    expect(await refusal({ examples: inMemory([]) })).toMatchInlineSnapshot(
      `"pretraining: expected examples, got none"`,
    );
    expect(await refusal({ examples: inMemory(examples, { maxSeqLength: 18 }) })).toMatchInlineSnapshot(
      `"pretraining: expected examples of at most the model's 17 positions (max_position_embeddings), got a max_seq_length of 18"`,
    );
  });

  it('held-out examples of another vocabulary', async () => {
    const heldOut = inMemory(examples, { vocabularySha256: 'f'.repeat(64) });
    expect(await refusal({ heldOut })).toMatchInlineSnapshot(
      `"evaluation data: expected the vocabulary of the training data, got another vocabulary"`,
    );
  });

  it('a model of another size', async () => {
    const initFrom = await patternedModel();
    const message = await refusal({ initFrom, config: { ...config, hiddenSize: 64 } });
    expect(message).toMatch(
      /model\.safetensors: parameter "\S+": expected shape \[\d+,64\], got \[\d+,32\]$/,
    );
  });
});
