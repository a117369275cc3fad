/** Chooses the way to call ONNX Runtime: its C API where that can be called, its npm package elsewhere. */
import { BertramError, messageOf } from '../support/errors.ts';
import type { Engine, EngineName } from './session.ts';

const opened = new Map<EngineName | 'best', Promise<Engine>>();

/**
 * The engine of the process (of the thread, in a worker), opened when it is first asked for.
 *
 * @param wanted one of the two ways; the best there is unless told
 * @throws BertramError `unsupported` when `native` is wanted and cannot be had
 */
export function engine(wanted: EngineName | 'best' = 'best'): Promise<Engine> {
  const known = opened.get(wanted);
  if (known !== undefined) return known;
  const opening = OPENERS[wanted]();
  opened.set(wanted, opening);
  return opening;
}

const OPENERS: Readonly<Record<EngineName | 'best', () => Promise<Engine>>> = {
  async native() {
    try {
      // In a browser, package.json puts another module in the place of this one.
      return (await import('./native-engine.ts')).nativeEngine();
    } catch (error) {
      throw new BertramError('unsupported', `engine: expected ${NATIVE}, got ${messageOf(error)}`, {
        cause: error,
      });
    }
  },
  async binding() {
    return (await import('./binding-engine.ts')).bindingEngine();
  },
  async best() {
    try {
      return await engine('native');
    } catch (error) {
      return (await import('./binding-engine.ts')).bindingEngine(messageOf(error));
    }
  },
};

const NATIVE = "ONNX Runtime's C API in the library of onnxruntime-node";
