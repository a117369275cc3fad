/**
 * ONNX Runtime through its npm packages: `onnxruntime-node`, and `onnxruntime-web` in a browser.
 *
 * `onnxruntime-node` reads fed arrays where they lie and writes results where it is told to, but then also copies each
 * result into a new array, which is dropped here. A run blocks the event loop.
 */
import * as ort from '#onnxruntime';
import type { InputDeclaration, LoweredModel } from '../onnx/index.ts';
import type { HostTensor } from './host-tensor.ts';
import { COMMON_SETTINGS, type Engine, type Session, type SessionOptions } from './session.ts';

export function bindingEngine(fallbackReason?: string): Engine {
  return { name: 'binding', ...(fallbackReason === undefined ? {} : { fallbackReason }), open };
}

async function open(model: LoweredModel, options: SessionOptions): Promise<Session> {
  const session = await ort.InferenceSession.create(model.bytes, sessionOptions(options));
  return new BindingSession(session, model);
}

function sessionOptions(options: SessionOptions): ort.InferenceSession.SessionOptions {
  const { threads, keepMemory = true, profile, settings } = options;
  return {
    graphOptimizationLevel: 'all',
    // Memory patterns are planned for one set of sizes; our batches change theirs.
    enableMemPattern: false,
    enableCpuMemArena: keepMemory,
    // Silent: what goes wrong is thrown.
    logSeverityLevel: 4,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    extra: { ...COMMON_SETTINGS, ...settings },
  };
}

class BindingSession implements Session {
  readonly #session: ort.InferenceSession;
  readonly #inputs: readonly InputDeclaration[];
  readonly #outputs: readonly InputDeclaration[];

  constructor(session: ort.InferenceSession, model: LoweredModel) {
    this.#session = session;
    this.#inputs = model.inputs;
    this.#outputs = model.outputs;
  }

  async run(feeds: readonly HostTensor[], into: readonly (HostTensor | undefined)[]): Promise<HostTensor[]> {
    const wrapped = this.#inputs.map((input, i) => [input.name, wrap(input, feeds[i]!)] as const);
    const fetches = this.#outputs.map((output, i) => {
      const place = into[i];
      return [output.name, place === undefined ? null : wrap(output, place)] as const;
    });
    const results = await this.#session.run(Object.fromEntries(wrapped), Object.fromEntries(fetches));
    return this.#outputs.map(({ name }, i) => {
      const { data, dims } = results[name] as ort.Tensor;
      return into[i] ?? ({ data, shape: dims } as HostTensor);
    });
  }

  async release(): Promise<void> {
    await this.#session.release();
  }

  endProfiling(): void {
    this.#session.endProfiling();
  }
}

function wrap({ dtype }: InputDeclaration, { data, shape }: HostTensor): ort.Tensor {
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
}
