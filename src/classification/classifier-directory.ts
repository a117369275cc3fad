/** A linear classifier with the encoder whose features it judges, as one model directory. */
import { bertConfigOf, saveBert } from '../bert/index.ts';
import {
  canonicalName,
  openModelWeights,
  type ModelDirectory,
  type TensorToWrite,
} from '../checkpoint/index.ts';
import { formatClassifierHead, type ClassifierHead } from './classifier-head.ts';
import type { LinearClassifier } from './logistic-regression.ts';

const ENCODER = 'bert.';

/** The encoder's tensors are copied as they are stored, int8 too; heads of other tasks and the pooler are left out. */
export async function saveLinearClassifier(
  directory: string,
  model: ModelDirectory,
  head: ClassifierHead,
  { weight, bias }: LinearClassifier,
): Promise<void> {
  const config = bertConfigOf(model);
  const classes = head.labels.length;
  const source = await openModelWeights(model.path);
  try {
    const tensors: TensorToWrite[] = [
      { name: 'classifier.weight', dtype: 'F32', shape: [classes, config.hiddenSize], data: weight },
      { name: 'classifier.bias', dtype: 'F32', shape: [classes], data: bias },
    ];
    for (const [stored, { dtype, shape }] of source.tensors) {
      const name = canonicalName(stored);
      if (name?.startsWith(ENCODER) !== true || name.startsWith(`${ENCODER}pooler.`)) continue;
      tensors.push({ name, dtype, shape, data: () => source.read(stored) });
    }
    const texts = {
      architecture: 'BertModel',
      config,
      vocabulary: model,
      headFields: formatClassifierHead(head),
    };
    await saveBert(directory, texts, tensors);
  } finally {
    await source.close();
  }
}
