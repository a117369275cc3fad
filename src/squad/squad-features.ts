/** The windows of a whole data set, with the labels that training needs. Every distinct context is encoded once. */
import type { Encoding } from '../tokenizers/index.ts';
import { answerSpanByWords, labelByOffsets, labelBySpan, type AnswerLabel } from './answer-labels.ts';
import type { SquadExample } from './squad-dataset.ts';
import {
  checkWindowOptions,
  contextWindows,
  defaultWindowOptions,
  type ContextWindow,
  type WindowOptions,
  type WindowTokenizer,
} from './windows.ts';

/** A window of a data set's question. */
export interface SquadWindow extends ContextWindow, AnswerLabel {
  readonly exampleIndex: number;
}

export interface SquadFeatureOptions extends WindowOptions {
  /**
   * Whether to label windows with the example's first answer (default true). In `step` mode labelling leaves out the
   * examples that `run_squad.py` leaves out of training; without it all are kept, and the label is (0, 0).
   */
  readonly labels?: boolean;
}

export interface SquadFeatures {
  /** In the order of the examples, and of the context within each. */
  readonly windows: readonly SquadWindow[];
  /** Examples whose question was cut; see {@link WindowOptions.maxQueryLength}. */
  readonly truncatedQuestions: readonly { readonly exampleIndex: number; readonly droppedPieces: number }[];
  /** Examples without any window, because their answer cannot be found among the context's words (`step` mode). */
  readonly skippedExamples: readonly number[];
}

/**
 * Makes the windows of all examples, unpadded.
 *
 * @throws BertramError `bad-input` for impossible lengths, naming the option or the question
 */
export function squadFeatures(
  examples: readonly SquadExample[],
  tokenizer: WindowTokenizer,
  options: SquadFeatureOptions = {},
): SquadFeatures {
  checkWindowOptions(options);
  const strideMode = options.strideMode ?? defaultWindowOptions.strideMode;
  const withLabels = options.labels ?? true;
  const windows: SquadWindow[] = [];
  const truncatedQuestions: { exampleIndex: number; droppedPieces: number }[] = [];
  const skippedExamples: number[] = [];
  const encodedContexts = new Map<string, Encoding>();

  examples.forEach((example, exampleIndex) => {
    let context = encodedContexts.get(example.context);
    if (context === undefined) {
      context = tokenizer.encode(example.context);
      encodedContexts.set(example.context, context);
    }
    const answer = withLabels ? example.answers[0] : undefined;
    let labelOf = (window: ContextWindow): AnswerLabel => labelByOffsets(window, answer);
    if (strideMode === 'step' && answer !== undefined) {
      const span = answerSpanByWords(example.context, context, answer, tokenizer.encode(answer.text).ids);
      if (span === undefined) {
        skippedExamples.push(exampleIndex);
        return;
      }
      labelOf = (window) => labelBySpan(window, span);
    }
    const question = tokenizer.encode(example.question);
    const ofExample = contextWindows(question, context, tokenizer, options, `question ${example.id}`);
    const droppedPieces = ofExample[0]?.droppedQuestionPieces ?? 0;
    if (droppedPieces > 0) truncatedQuestions.push({ exampleIndex, droppedPieces });
    for (const window of ofExample) windows.push({ ...window, exampleIndex, ...labelOf(window) });
  });
  return { windows, truncatedQuestions, skippedExamples };
}
