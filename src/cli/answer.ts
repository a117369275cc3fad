/** `bertram answer`: the best answers to one question from one or more texts. */
import { Command } from 'commander';
import { readTextFile } from '../checkpoint/text-file.ts';
import { QuestionAnswering, type QuestionAnsweringEvent } from '../pipelines/index.ts';
import { badInput } from '../support/errors.ts';
import { drawAnswers } from './answer-display.ts';
import {
  addModelOptions,
  addWindowOptions,
  given,
  modelLoadOptions,
  type ModelFlags,
  type WindowFlags,
} from './model-options.ts';
import { positiveWhole } from './option-values.ts';
import { ProgressLine } from './progress-line.ts';
import type { Terminal } from './terminal.ts';

interface AnswerFlags extends ModelFlags, WindowFlags {
  readonly question: string;
  readonly topK: number;
  readonly maxAnswerLength: number;
  /** False under `--no-answer`. */
  readonly answer: boolean;
  readonly json?: true;
}

/** A context as it was named; files are read when all options are known to be right. */
type ContextSource = { readonly text: string } | { readonly file: string };

export function answerCommand(terminal: Terminal): Command {
  // Both options fill one list, so that contexts keep the order they were given in.
  const sources: ContextSource[] = [];
  const command = new Command('answer')
    .requiredOption('--question <text>', 'what is asked')
    .option('--context <text>', 'a text to answer from; may be repeated', (text: string) => {
      sources.push({ text });
    })
    .option('--context-file <file>', 'a file with such a text; may be repeated', (file: string) => {
      sources.push({ file });
    })
    .option('--top-k <n>', 'how many answers at most', positiveWhole, 1)
    .option('--max-answer-length <n>', 'pieces in an answer at most', positiveWhole, 30)
    .option('--no-answer', 'let "no answer" be one of the answers, as an empty text')
    .option('--json', 'print one JSON document');
  addWindowOptions(command);
  addModelOptions(command);
  return command.action((flags: AnswerFlags) => answer(flags, sources, terminal));
}

async function answer(
  flags: AnswerFlags,
  sources: readonly ContextSource[],
  terminal: Terminal,
): Promise<void> {
  if (sources.length === 0) badInput('context', '--context or --context-file', 'neither');
  const contexts: string[] = [];
  for (const source of sources)
    contexts.push('text' in source ? source.text : await readTextFile(source.file));
  const { question, topK, maxAnswerLength, maxSeqLength, docStride, maxQueryLength } = flags;
  const began = performance.now();
  const qa = await QuestionAnswering.load(modelLoadOptions(flags));
  const loaded = performance.now();
  const reporter = new ReadingReporter(terminal);
  const request = { question, contexts, topK, maxAnswerLength, noAnswer: !flags.answer };
  const [result] = await qa.answerMany(
    [{ ...request, ...given({ maxSeqLength, docStride, maxQueryLength }) }],
    { onEvent: (event) => reporter.report(event) },
  );
  const answered = performance.now();
  reporter.end();
  const { answers, windows } = result!;
  if (flags.json) {
    const timing = { load_seconds: (loaded - began) / 1000, answer_seconds: (answered - loaded) / 1000 };
    await terminal.out.json({ answers, windows, timing });
  } else if (terminal.out.isTerminal) {
    await terminal.out.write(drawAnswers(answers, contexts, terminal.out.columns));
  } else {
    for (const { answer } of answers) await terminal.out.line(answer.replace(/\s+/gu, ' '));
  }
}

/** Warnings and progress of question answering, on stderr. */
export class ReadingReporter {
  readonly #terminal: Terminal;
  readonly #progress: ProgressLine;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#progress = new ProgressLine(terminal.err, 'windows');
  }

  report(event: QuestionAnsweringEvent): void {
    if (event.type === 'progress') this.#progress.update(event.windowsDone, event.windowsTotal);
    else {
      const { pieces, kept } = event;
      this.#terminal.err.write(
        `warning: the question has ${pieces} pieces, of which the first ${kept} were read; --max-query-length sets the limit\n`,
      );
    }
  }

  end(): void {
    this.#progress.clear();
  }
}
