/** Runs {@link PrepareWork} in a thread of its own, and calls it from another: one message a call, one back. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { PrepareWork } from './prepare-work.ts';
import type { PrepareWorker, ShardJob, WorkSettings } from './prepare-work.ts';
import { errorOf, failureOf, type WorkFailure } from './work-failure.ts';

const THREAD = 'bertram prepare';

type Call =
  | { readonly id: number; readonly tokenize: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly writeShard: ShardJob };

type Answer =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly failure: WorkFailure };

/** Starts a thread. */
export function startThread(settings: WorkSettings): PrepareWorker {
  const options = { workerData: { thread: THREAD, settings } };
  const url = import.meta.url;
  // A thread does not inherit the loader that runs the sources.
  const withLoader = `import('tsx/esm/api').then(({ register }) => { register(); return import('${url}'); });`;
  const thread = url.endsWith('.ts')
    ? new Worker(withLoader, { ...options, eval: true })
    : new Worker(new URL(url), options);
  const calls = new Map<number, (answer: Answer) => void>();
  let lastId = 0;
  const call = (message: Call, transfer: ArrayBuffer[] = []): Promise<never> =>
    new Promise((resolve, reject) => {
      calls.set(message.id, (answer) => {
        if ('failure' in answer) reject(errorOf(answer.failure));
        else resolve(answer.result as never);
      });
      thread.postMessage(message, transfer);
    });
  const answered = (answer: Answer): void => {
    const settle = calls.get(answer.id);
    calls.delete(answer.id);
    settle?.(answer);
  };
  thread.on('message', answered);
  thread.on('error', (error) => {
    for (const id of calls.keys()) answered({ id, failure: failureOf(error) });
  });
  return {
    tokenize: (bytes) => call({ id: lastId++, tokenize: bytes }, [bytes.buffer]),
    writeShard: (job) => call({ id: lastId++, writeShard: job }),
    close: async () => {
      await thread.terminate();
    },
  };
}

interface ThreadData {
  readonly thread: typeof THREAD;
  readonly settings: WorkSettings;
}

function isOurs(data: unknown): data is ThreadData {
  return typeof data === 'object' && data !== null && 'thread' in data && data.thread === THREAD;
}

if (!isMainThread && isOurs(workerData)) {
  const port = parentPort!;
  const work = new PrepareWork(workerData.settings);
  port.on('message', (call: Call) => {
    const { id } = call;
    const result = 'tokenize' in call ? work.tokenize(call.tokenize) : work.writeShard(call.writeShard);
    result.then(
      (value) => {
        const transfer = 'pieces' in value && typeof value.pieces === 'object' ? [value.pieces.buffer] : [];
        port.postMessage({ id, result: value }, transfer as ArrayBuffer[]);
      },
      (error: unknown) => {
        port.postMessage({ id, failure: failureOf(error) });
      },
    );
  });
}
