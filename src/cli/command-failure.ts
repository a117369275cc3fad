/** What a command that did not succeed says, in one line, and its exit status. */
import { CommanderError } from 'commander';
import { BertramError, isAbort, messageOf, type ErrorCode } from '../support/errors.ts';
import { TrainingStopped } from '../training/training-stopped.ts';
import { OutputClosed } from './terminal.ts';

export const EXIT_DONE = 0;
export const EXIT_WORK_FAILED = 1;
export const EXIT_REQUEST_WRONG = 2;

const EXIT_STATUS: Readonly<Record<ErrorCode, number>> = {
  'bad-input': EXIT_REQUEST_WRONG,
  'not-found': EXIT_REQUEST_WRONG,
  unsupported: EXIT_REQUEST_WRONG,
  'bad-graph': EXIT_WORK_FAILED,
  failed: EXIT_WORK_FAILED,
};

export interface CommandFailure {
  readonly exitCode: number;
  /** One line without its end; nothing where there is nothing to say. */
  readonly line: string | undefined;
}

/** @param command what opens the line: `bertram answer` */
export function commandFailure(error: unknown, command: string): CommandFailure {
  if (error instanceof OutputClosed) return { exitCode: EXIT_DONE, line: undefined };
  if (isAbort(error)) return { exitCode: EXIT_DONE, line: `${command}: ${error.message}` };
  if (error instanceof TrainingStopped)
    return { exitCode: EXIT_DONE, line: `${command}: ${howToGoOn(error)}` };
  if (error instanceof CommanderError) {
    // Help and version were asked for and have been printed.
    if (error.exitCode === 0) return { exitCode: EXIT_DONE, line: undefined };
    return { exitCode: EXIT_REQUEST_WRONG, line: `${command}: ${describeUsageError(error.message)}` };
  }
  if (error instanceof BertramError) {
    return { exitCode: EXIT_STATUS[error.code], line: oneLine(`${command}: ${error.message}`) };
  }
  const line = oneLine(`${command}: unexpected error: ${messageOf(error)} (BERTRAM_DEBUG=1 shows where)`);
  return { exitCode: EXIT_WORK_FAILED, line };
}

function howToGoOn({ step }: TrainingStopped): string {
  if (step === 0) return 'stopped before the first update; there is nothing to go on from';
  return `stopped after ${step} updates, in checkpoint-${step}; to go on, --resume_from_checkpoint auto`;
}

type Wording = readonly [pattern: RegExp, wording: string];

/** Commander's messages, in the form of all of ours: what was expected and what came. */
const WORDINGS: readonly Wording[] = [
  [/^unknown option '(.*)'$/s, 'expected an option of this command, got $1'],
  [/^unknown command '(.*)'$/s, 'expected a command, got $1'],
  [
    /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s,
    '$1: expected one of $3, got $2',
  ],
  [/^option '(?:-\w, )?(--[\w-]+).*?' argument '.*' is invalid\. (.*)$/s, '$1: $2'],
  [/^option '(?:-\w, )?(--[\w-]+) (.*)' argument missing$/s, '$1: expected $2, got nothing'],
  [/^too many arguments.*$/s, 'expected options only, got an argument beside them'],
];

function describeUsageError(message: string): string {
  const text = message.replace(/^error: /, '');
  const hint = /\n\(Did you mean (.*)\?\)$/s.exec(text);
  const main = hint === null ? text : text.slice(0, hint.index);
  const [pattern, wording] = WORDINGS.find(([pattern]) => pattern.test(main)) ?? [/^/, ''];
  return oneLine(main.replace(pattern, wording) + (hint === null ? '' : `; did you mean ${hint[1]!}?`));
}

/** Line ends inside a message, such as those of a hostile file name, shown as what they are. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (control) => {
    const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[control];
    return named ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
