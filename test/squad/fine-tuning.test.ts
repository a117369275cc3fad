/**
 * Fine-tuning from a model directory to a model directory: its losses against a PyTorch loop, what it writes against
 * transformers, stopping and going on, and what it refuses.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  bertConfigOf,
  bertForQuestionAnswering,
  bertInputs,
  loadBertParameters,
} from '../../src/bert/index.ts';
import {
  openModelWeights,
  readModelDirectory,
  writeModelWeights,
  type TensorToWrite,
} from '../../src/checkpoint/index.ts';
import { Dropout, Parameters } from '../../src/nn/index.ts';
import { fineTuningAdamW } from '../../src/optim/index.ts';
import { compile, type HostTensor } from '../../src/runtime/index.ts';
import { fineTune, type FineTuningOptions } from '../../src/squad/fine-tuning.ts';
import { padWindows } from '../../src/squad/question-batches.ts';
import type { SquadExample } from '../../src/squad/squad-dataset.ts';
import { squadFeatures, type SquadWindow } from '../../src/squad/squad-features.ts';
import { BertTokenizer } from '../../src/tokenizers/index.ts';
import type { TrainingEvent, TrainingOptions } from '../../src/training/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const MODEL = 'test/golden/training/model';

/** What `scripts/golden/training.py` writes. */
const golden = JSON.parse(readFileSync('test/golden/training/run.json', 'utf8')) as {
  readonly options: {
    readonly batch_size: number;
    readonly gradient_accumulation_steps: number;
    readonly max_steps: number;
    readonly warmup_steps: number;
    readonly learning_rate: number;
    readonly weight_decay: number;
    readonly max_grad_norm: number;
  };
  readonly windows: readonly {
    readonly input_ids: readonly number[];
    readonly token_type_ids: readonly number[];
    readonly start_position: number;
    readonly end_position: number;
  }[];
  /** Of each update. */
  readonly losses: readonly number[];
  readonly gradient_norms: readonly number[];
  /** The first five numbers of each parameter at the end. */
  readonly final: Readonly<Record<string, readonly number[]>>;
};

const goldenWindows = golden.windows.map((window, exampleIndex): SquadWindow => ({
  inputIds: Int32Array.from(window.input_ids),
  tokenTypeIds: Uint8Array.from(window.token_type_ids),
  startPosition: window.start_position,
  endPosition: window.end_position,
  exampleIndex,
  contextBegin: 0,
  contextEnd: 0,
  firstPiece: 0,
  starts: new Int32Array(),
  ends: new Int32Array(),
  maxContext: undefined,
  droppedQuestionPieces: 0,
}));

const training: TrainingOptions = {
  batchSize: 4,
  gradientAccumulationSteps: 1,
  epochs: 1,
  learningRate: 3e-3,
  schedule: 'linear',
  warmupSteps: 0,
  warmupRatio: 0,
  optimizer: fineTuningAdamW,
  maxGradNorm: 1,
  seed: 42,
  shuffle: true,
  groupByLength: false,
  loggingSteps: 0,
  saveSteps: 0,
  threads: 1,
};

/** Parameters that shift all scores of a softmax alike: their gradients are rounding errors, which Adam makes large. */
const WITHOUT_GRADIENT = /key\.bias$|layer\.1\.output\.LayerNorm\.bias$|^qa_outputs\.bias$/;

/** Fine-tunes the golden model, and tells the directory it wrote and the loss of every update. */
async function run(
  options: Partial<Omit<FineTuningOptions, 'training'>> & {
    readonly training?: Partial<TrainingOptions>;
  } = {},
) {
  const losses: number[] = [];
  const {
    outputDir = temporaryDirectory(),
    model = await readModelDirectory(MODEL),
    onEvent,
    ...rest
  } = options;
  const result = await fineTune({
    windows: goldenWindows,
    ...rest,
    model,
    outputDir,
    training: { ...training, ...options.training },
    onEvent: (event: TrainingEvent) => {
      if (event.type === 'step') losses.push(event.loss);
      onEvent?.(event);
    },
  });
  return { result, outputDir, losses };
}

/** The weights of a model directory, by name. */
async function weightsOf(directory: string): Promise<Map<string, Float32Array>> {
  const source = await openModelWeights(directory);
  const read = Array.from(
    source.tensors.keys(),
    async (name) => [name, await source.readFloat32(name)] as const,
  );
  const weights = new Map(await Promise.all(read));
  await source.close();
  return weights;
}

type WeightChange = (name: string, values: Float32Array) => Float32Array | undefined;

/** Writes the weights of a model directory anew, without those for which `change` gives nothing. */
async function rewriteWeights(directory: string, change: WeightChange): Promise<void> {
  const source = await openModelWeights(directory);
  const tensors: TensorToWrite[] = [];
  for (const [name, { shape }] of source.tensors) {
    const data = change(name, await source.readFloat32(name));
    if (data !== undefined) tensors.push({ name, dtype: 'F32', shape, data });
  }
  await source.close();
  await writeModelWeights(directory, tensors);
}

/** A copy of the golden model, changed. */
async function changedModel(change: WeightChange): Promise<string> {
  const directory = temporaryDirectory();
  cpSync(MODEL, directory, { recursive: true });
  await rewriteWeights(directory, change);
  return directory;
}

/** The start and end logits of windows, each [B, S], by the model in a directory. */
async function logitsOf(directory: string, windows: readonly SquadWindow[]) {
  const model = await readModelDirectory(directory);
  const parameters = new Parameters();
  const config = bertConfigOf(model);
  const logits = bertForQuestionAnswering(parameters, config, bertInputs(), new Dropout({ training: false }));
  const program = await compile({ ...logits }, { threads: 1 });
  onTestFinished(() => program.release());
  const loaded = await loadBertParameters(model, parameters.all);
  const weights = parameters.all.map(({ name, shape }) => [
    name,
    { data: loaded.parameters.get(name)!, shape },
  ]);
  const results = await program.run({
    ...(Object.fromEntries(weights) as Record<string, HostTensor>),
    ...padWindows(windows, config.padTokenId),
  });
  return results as unknown as Record<'startLogits' | 'endLogits', HostTensor<Float32Array>>;
}

describe('a run without shuffling and dropout', () => {
  it('has the losses of a PyTorch loop over 50 updates, and ends with its weights', async () => {
    const { options } = golden;
    const norms: number[] = [];
    const { losses, outputDir } = await run({
      dropout: 0,
      onEvent: (event) => {
        if (event.type === 'log') norms.push(event.entry.grad_norm);
      },
      training: {
        batchSize: options.batch_size,
        gradientAccumulationSteps: options.gradient_accumulation_steps,
        maxSteps: options.max_steps,
        warmupSteps: options.warmup_steps,
        learningRate: options.learning_rate,
        optimizer: { ...fineTuningAdamW, weightDecay: options.weight_decay },
        maxGradNorm: options.max_grad_norm,
        shuffle: false,
        loggingSteps: 1,
      },
    });
    expect(losses).toHaveLength(50);
    losses.forEach((loss, i) => {
      expect(loss / golden.losses[i]!, `loss of update ${i + 1}`).toBeCloseTo(1, 3);
      expect(norms[i]! / golden.gradient_norms[i]!, `norm of update ${i + 1}`).toBeCloseTo(1, 2);
    });
    const weights = await weightsOf(outputDir);
    expect([...weights.keys()].sort()).toEqual(Object.keys(golden.final).sort());
    for (const [name, expected] of Object.entries(golden.final)) {
      if (WITHOUT_GRADIENT.test(name)) continue;
      expected.forEach((value, i) => expect(weights.get(name)![i], `${name}[${i}]`).toBeCloseTo(value, 3));
    }
  });
});

describe('a batch', () => {
  it('can be learnt by heart', async () => {
    const { losses } = await run({
      windows: goldenWindows.slice(0, 4),
      dropout: 0,
      training: { epochs: 60, schedule: 'constant' },
    });
    expect(losses[0]).toBeGreaterThan(1.5);
    expect(losses.at(-1)).toBeLessThan(0.05);
  });
});

const CONTEXTS = [
  'the red tower was made in 1066. the old queen lives in the tower. the blue river is when the city was new.',
  'who lives in the green house? a king, who was new to the city. where is the old house made by the queen?',
];
const QUESTIONS: readonly (readonly [context: number, question: string, answer: string])[] = [
  [0, 'when was the tower made?', '1066'],
  [0, 'who lives in the tower?', 'the old queen'],
  [1, 'where is the king?', 'green house'],
  [1, 'who was new?', 'king'],
];
const examples = QUESTIONS.map(([index, question, text], i): SquadExample => {
  const context = CONTEXTS[index]!;
  const answers = [{ text, start: context.indexOf(text) }];
  return { id: `q${i}`, title: '', question, context, answers, isImpossible: false };
});
const tokenizer = BertTokenizer.fromVocab(readFileSync(join(MODEL, 'vocab.txt'), 'utf8'));
const { windows } = squadFeatures(examples, tokenizer, { maxSeqLength: 32, docStride: 8 });

describe('a small data set', () => {
  it('is learnt, and the directory written is a model that answers it', async () => {
    expect(windows.length).toBeGreaterThan(examples.length);
    const { result, outputDir, losses } = await run({
      windows,
      dropout: 0,
      training: { epochs: 40, groupByLength: true, loggingSteps: 10 },
    });
    expect(losses.at(-1)).toBeLessThan(0.05);
    expect(result).toMatchObject({ epoch: 40, step: losses.length, train_samples: windows.length });

    expect(readdirSync(outputDir).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer_config.json',
      'trainer_state.json',
      'vocab.txt',
    ]);
    const config = JSON.parse(readFileSync(join(outputDir, 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    // The rates of the pretrained model, not those of this run.
    expect(config).toMatchObject({ architectures: ['BertForQuestionAnswering'], hidden_dropout_prob: 0.1 });
    expect(readFileSync(join(outputDir, 'vocab.txt'), 'utf8')).toBe(
      readFileSync(join(MODEL, 'vocab.txt'), 'utf8'),
    );
    const state = JSON.parse(readFileSync(join(outputDir, 'trainer_state.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(state).toMatchObject({ global_step: losses.length, max_steps: losses.length });
    expect(state['log_history']).toHaveLength(Math.floor(losses.length / 10));

    const { startLogits, endLogits } = await logitsOf(outputDir, windows);
    const [, length] = startLogits.shape as [number, number];
    const best = ({ data }: HostTensor<Float32Array>, row: number): number => {
      const logits = Array.from(data.subarray(row * length, (row + 1) * length));
      return logits.indexOf(Math.max(...logits));
    };
    windows.forEach(({ startPosition, endPosition }, row) => {
      expect([best(startLogits, row), best(endLogits, row)]).toEqual([startPosition, endPosition]);
    });
  });

  const python = process.env['BERTRAM_PEER_PYTHON'];
  it.skipIf(python === undefined)(
    'becomes a model with the same logits in transformers (skipped without BERTRAM_PEER_PYTHON)',
    async () => {
      const { outputDir } = await run({ windows });
      const padded = padWindows(windows, 0);
      const fed = Object.entries(padded).map(([name, { data, shape }]) => [name, Array.from(data), shape]);
      writeFileSync(join(outputDir, 'feeds.json'), JSON.stringify(fed));
      const program = `
import json, sys, torch
from transformers import AutoModelForQuestionAnswering
model, report = AutoModelForQuestionAnswering.from_pretrained(sys.argv[1], output_loading_info=True)
feeds = {name: torch.tensor(data).reshape(shape) for name, data, shape in json.load(open(sys.argv[1] + "/feeds.json"))}
with torch.no_grad():
    output = model.eval()(**feeds)
print(json.dumps([
    sorted(report["missing_keys"]) + sorted(report["unexpected_keys"]),
    output.start_logits.reshape(-1).tolist(),
    output.end_logits.reshape(-1).tolist(),
]))`;
      const printed = execFileSync(python!, ['-c', program, outputDir], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const [unmatched, ...theirs] = JSON.parse(printed.trim().split('\n').at(-1)!) as [
        string[],
        number[],
        number[],
      ];
      expect(unmatched).toEqual([]);
      const { startLogits, endLogits } = await logitsOf(outputDir, windows);
      for (const [i, { data }] of [startLogits, endLogits].entries()) {
        const differences = theirs[i]!.map((logit, at) => Math.abs(logit - data[at]!));
        expect(differences).toHaveLength(data.length);
        expect(Math.max(...differences)).toBeLessThan(1e-5);
      }
    },
    600_000,
  );
});

describe('checkpoints of a run', () => {
  const options: Partial<TrainingOptions> = {
    epochs: 2,
    saveSteps: 5,
    loggingSteps: 5,
    gradientAccumulationSteps: 2,
  };
  const modelBytes = (directory: string): string =>
    readFileSync(join(directory, 'model.safetensors')).toString('base64');

  it('let a stopped run end with the very weights of one that was not, with dropout and shuffling', async () => {
    const whole = await run({ training: options });
    const outputDir = temporaryDirectory();
    const stopped = run({
      outputDir,
      training: options,
      onEvent: (event) => {
        if (event.type === 'step' && event.step === 8) throw new Error('power cut');
      },
    });
    await expect(stopped).rejects.toThrow('power cut');
    const checkpoint = join(outputDir, 'checkpoint-5');
    const { losses } = await run({ outputDir, training: options, resumeFrom: checkpoint });
    expect(losses).toEqual(whole.losses.slice(5));
    expect(modelBytes(outputDir)).toBe(modelBytes(whole.outputDir));
    const states = [outputDir, whole.outputDir].map((at) =>
      readFileSync(join(at, 'trainer_state.json'), 'utf8'),
    );
    expect(states[0]).toBe(states[1]);
  });

  it('are models themselves, and no more of them are kept than asked for', async () => {
    const { outputDir } = await run({ training: { ...options, saveSteps: 2 }, saveTotalLimit: 2 });
    expect(readdirSync(outputDir).filter((name) => name.startsWith('checkpoint'))).toEqual([
      'checkpoint-6',
      'checkpoint-8',
    ]);
    const weights = await weightsOf(join(outputDir, 'checkpoint-8'));
    expect(weights.size).toBe(39);
    const { startLogits } = await logitsOf(join(outputDir, 'checkpoint-8'), goldenWindows.slice(0, 2));
    expect(startLogits.data.every(Number.isFinite)).toBe(true);
  });

  it('are refused when they lack a file, or are of another model', async () => {
    const { outputDir } = await run({ training: options });
    const refusal = async (spoil: (checkpoint: string) => unknown): Promise<string> => {
      const checkpoint = join(temporaryDirectory(), 'checkpoint-5');
      cpSync(join(outputDir, 'checkpoint-5'), checkpoint, { recursive: true });
      await spoil(checkpoint);
      const failure: unknown = await run({ resumeFrom: checkpoint, training: options }).catch(
        (error: unknown) => error,
      );
      return failure instanceof Error ? failure.message.replaceAll(checkpoint, 'checkpoint-5') : 'no failure';
    };
    expect(await refusal((at) => rmSync(join(at, 'model.safetensors')))).toMatchInlineSnapshot(
      `"checkpoint-5: expected model.safetensors, pytorch_model.bin, an index of either or a TensorFlow checkpoint, got none"`,
    );
    expect(await refusal((at) => rmSync(join(at, 'optimizer.safetensors')))).toMatchInlineSnapshot(
      `"checkpoint-5/optimizer.safetensors: cannot be read: no such file or directory (ENOENT)"`,
    );
    const withoutBias: WeightChange = (name, values) => (name === 'qa_outputs.bias' ? undefined : values);
    expect(await refusal((at) => rewriteWeights(at, withoutBias))).toMatchInlineSnapshot(
      `"checkpoint-5: expected all 39 parameters, got none for qa_outputs.bias"`,
    );
    expect(await refusal((at) => rmSync(at, { recursive: true }))).toMatchInlineSnapshot(
      `"checkpoint-5: expected a model directory, got no such directory"`,
    );
  });
});

describe('a model without the head', () => {
  const pretrained = (): Promise<string> =>
    changedModel((name, values) => (name.startsWith('qa_outputs.') ? undefined : values));

  it('gets one drawn by the seed, and the encoder stays what it was', async () => {
    const directory = await pretrained();
    const model = await readModelDirectory(directory);
    const begin = async (seed: number): Promise<Map<string, Float32Array>> =>
      weightsOf((await run({ model, training: { seed, epochs: 0 } })).outputDir);
    const [one, same, other] = [await begin(1), await begin(1), await begin(2)];
    const head = one.get('qa_outputs.weight')!;
    expect(same.get('qa_outputs.weight')).toEqual(head);
    expect(other.get('qa_outputs.weight')).not.toEqual(head);
    expect(Array.from(one.get('qa_outputs.bias')!)).toEqual([0, 0]);
    // 64 draws of a normal distribution of deviation 0.02, cut at two deviations, which leaves 0.88 of it.
    const deviation = Math.sqrt(head.reduce((sum, value) => sum + value * value, 0) / head.length);
    expect(deviation / (0.02 * 0.88)).toBeGreaterThan(0.7);
    expect(deviation / (0.02 * 0.88)).toBeLessThan(1.3);
    expect(Math.max(...head.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.04));
    const encoder = await weightsOf(directory);
    for (const [name, values] of encoder) expect(one.get(name), name).toEqual(values);
  });

  it('learns', async () => {
    const { losses } = await run({
      model: await readModelDirectory(await pretrained()),
      windows: goldenWindows.slice(0, 4),
      training: { epochs: 80 },
      dropout: 0,
    });
    expect(losses.at(-1)).toBeLessThan(0.2);
  });
});

describe('what cannot be trained is refused', () => {
  it('windows longer than the positions of the model', async () => {
    const longer = examples.map((example) => ({
      ...example,
      context: `${example.context} ${CONTEXTS.join(' ')}`,
    }));
    const { windows: long } = squadFeatures(longer, tokenizer, { maxSeqLength: 64, docStride: 8 });
    await expect(run({ windows: long })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: max_seq_length: expected at most the model's 48 positions, got 64]`,
    );
  });

  it('padding to less than the longest window, or to more than the positions', async () => {
    const longest = Math.max(...goldenWindows.map(({ inputIds }) => inputIds.length));
    await expect(run({ padToLength: longest - 1 })).rejects.toThrow(
      `padding: expected a length of at least the longest window's ${longest} pieces, got ${longest - 1}`,
    );
    await expect(run({ padToLength: 49 })).rejects.toThrow(
      "max_seq_length: expected at most the model's 48 positions, got 49",
    );
  });

  it('ids that the model has no embedding for', async () => {
    const [first] = goldenWindows;
    const windows = [{ ...first!, inputIds: first!.inputIds.map((id, i) => (i === 3 ? 99 : id)) }];
    await expect(run({ windows })).rejects.toThrow(
      "tokenizer: expected ids below the model's vocab_size 99, got 99",
    );
  });

  it('no windows', async () => {
    await expect(run({ windows: [] })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: training: expected examples, got none]`,
    );
  });

  it('a model with a parameter that is not finite', async () => {
    const directory = await changedModel((name, values) =>
      name === 'qa_outputs.bias' ? values.fill(NaN, 1) : values,
    );
    const failure: unknown = await run({ model: await readModelDirectory(directory) }).catch(
      (error: unknown) => error,
    );
    expect(String(failure).replaceAll(directory, 'model')).toMatchInlineSnapshot(
      `"BertramError: model/model.safetensors: parameter "qa_outputs.bias": expected finite values, got NaN at index 1"`,
    );
  });

  it('a learning rate at which numbers stop being finite', async () => {
    const failure = run({ training: { learningRate: 1e38, maxGradNorm: 0 } });
    await expect(failure).rejects.toMatchObject({ code: 'failed' });
    await expect(failure).rejects.toThrow(/^training: expected finite numbers at step \d+, got loss/);
  });
});
