/** What both formats of `torch.save` come to: an object with tensors in it, and where the bytes of its storages lie. */
import { badInput, shown } from '../support/errors.ts';
import { kindOf } from './pickle-machine.ts';
import { PickledTensor } from './pytorch-tensors.ts';
import type { PickledStorage } from './pytorch-tensors.ts';

/** BERT-large's state dict is a pickle of 0.1 MB. An empty dictionary is one byte there and two hundred in memory. */
export const MAX_PICKLE_BYTES = 2 * 2 ** 20;

export interface StoragePlace {
  /** The first byte in the file. */
  readonly position: number;
  /** Whether all bytes of the storage are what was written; undefined where the file has no checksum. */
  readonly isIntact?: (bytes: Uint8Array) => boolean;
}

export interface PickledFile {
  readonly value: unknown;
  readonly places: ReadonlyMap<PickledStorage, StoragePlace>;
}

export interface StateDict {
  readonly tensors: ReadonlyMap<string, PickledTensor>;
  /** What lies beside them, with the reason why it is no parameter. */
  readonly leftOut: ReadonlyMap<string, string>;
}

/** Under which names trainers save the state dict of a model beside that of its optimizer. */
const MODEL_KEYS: readonly string[] = ['model', 'state_dict', 'model_state_dict'];

/**
 * The parameters of what was saved: a state dict, or a dictionary with one under a usual name.
 *
 * @throws BertramError `bad-input` if there are no tensors
 */
export function stateDictOf(value: unknown, where: string): StateDict {
  const model = MODEL_KEYS.find((key) => hasTensors(entryOf(value, key)));
  if (!hasTensors(value) && model !== undefined) {
    const outer = [...(value as Map<unknown, unknown>).keys()].filter((key) => key !== model);
    const { tensors, leftOut } = stateDictOf(entryOf(value, model), where);
    const beside = outer.map(
      (key) => [nameOf(key), `beside the model, which is under ${shown(model)}`] as const,
    );
    return { tensors, leftOut: new Map([...leftOut, ...beside]) };
  }
  if (!hasTensors(value)) badInput(where, 'a dictionary of tensors by name', kindOf(value));
  const tensors = new Map<string, PickledTensor>();
  const leftOut = new Map<string, string>();
  for (const [key, item] of value) {
    if (typeof key !== 'string') badInput(where, 'names of parameters', kindOf(key));
    if (item instanceof PickledTensor) tensors.set(key, item);
    else leftOut.set(key, 'not a tensor');
  }
  return { tensors, leftOut };
}

function hasTensors(value: unknown): value is Map<unknown, unknown> {
  return value instanceof Map && [...value.values()].some((item) => item instanceof PickledTensor);
}

function entryOf(value: unknown, key: string): unknown {
  return value instanceof Map ? value.get(key) : undefined;
}

function nameOf(key: unknown): string {
  return typeof key === 'string' ? key : kindOf(key);
}
