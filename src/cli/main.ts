/**
 * The `bertram` program. A command lives in a file of its own, which is loaded only when it is called, so that
 * `bertram tokenize` does not wait for the engine.
 */
import { readFileSync } from 'node:fs';
import { Command, type OutputConfiguration } from 'commander';
import { announceRank } from '../distributed/rank-record.ts';
import { BertramError } from '../support/errors.ts';
import { commandFailure, EXIT_DONE, EXIT_REQUEST_WRONG } from './command-failure.ts';
import { withDashes } from './option-spelling.ts';
import { turnToFail } from './process-ranks.ts';
import { processTerminal, type Terminal } from './terminal.ts';

interface CommandEntry {
  readonly description: string;
  readonly load: () => Promise<(terminal: Terminal) => Command>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  answer: {
    description: 'answer a question from texts',
    load: async () => (await import('./answer.ts')).answerCommand,
  },
  logits: {
    description: "a model's raw output for a question and a text",
    load: async () => (await import('./logits.ts')).logitsCommand,
  },
  tokenize: {
    description: 'texts to pieces, ids and offsets',
    load: async () => (await import('./tokenize.ts')).tokenizeCommand,
  },
  'squad-features': {
    description: 'the windows of a data set',
    load: async () => (await import('./squad-features.ts')).squadFeaturesCommand,
  },
  evaluate: {
    description: 'answer the questions of a data set and score the answers',
    load: async () => (await import('./evaluate.ts')).evaluateCommand,
  },
  score: {
    description: 'EM and F1 of a predictions file, by the official rules',
    load: async () => (await import('./score.ts')).scoreCommand,
  },
  finetune: {
    description: 'fine-tune a model on question answering, with the flags of run_qa.py',
    load: async () => (await import('./finetune.ts')).finetuneCommand,
  },
  pretrain: {
    description: 'train a model from scratch, or further, on masked pieces and pairs of sentences',
    load: async () => (await import('./pretrain.ts')).pretrainCommand,
  },
  vocab: {
    description: 'learn a WordPiece vocabulary from texts',
    load: async () => (await import('./vocab.ts')).vocabCommand,
  },
  prepare: {
    description: 'a corpus to pretraining shards: sentence pairs with masked words',
    load: async () => (await import('./prepare.ts')).prepareCommand,
  },
  'fill-mask': {
    description: 'what may stand at each [MASK] of a text',
    load: async () => (await import('./fill-mask.ts')).fillMaskCommand,
  },
  'next-sentence': {
    description: 'how likely a text follows another',
    load: async () => (await import('./next-sentence.ts')).nextSentenceCommand,
  },
  features: {
    description: 'the hidden states of a model for each line of a text',
    load: async () => (await import('./features.ts')).featuresCommand,
  },
  convert: {
    description: 'a TensorFlow 1 or PyTorch checkpoint to a directory in Hugging Face layout',
    load: async () => (await import('./convert.ts')).convertCommand,
  },
  classify: {
    description: 'train a classifier of texts, and put texts into classes',
    load: async () => (await import('./classify.ts')).classifyCommand,
  },
  quantize: {
    description: 'store a model in int8, a quarter of the size',
    load: async () => (await import('./quantize.ts')).quantizeCommand,
  },
  launch: {
    description: 'a command on several processes, here or on several machines',
    load: async () => (await import('./launch.ts')).launchCommand,
  },
  inspect: {
    description: "a model's configuration, parameters, memory and checksums",
    load: async () => (await import('./inspect.ts')).inspectCommand,
  },
};

/**
 * Runs one command.
 *
 * @param argv the arguments, without the interpreter and the program
 * @returns the exit status: 0 done, 1 the work failed, 2 the request was wrong
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  const name = argv.find((arg) => Object.hasOwn(COMMANDS, arg));
  const called = name !== undefined && argv.indexOf(name) <= 1 ? name : undefined;
  announceRank();
  let title = called === undefined ? 'bertram' : `bertram ${called}`;
  try {
    if (argv.length === 0) {
      terminal.err.write((await program(terminal)).helpInformation());
      return EXIT_REQUEST_WRONG;
    }
    const root = await program(terminal, called);
    const command = nestedCommand(root, argv);
    if (command !== undefined) title = titleOf(command);
    const args = command === undefined ? argv : withDashes(argv, command);
    if (command !== undefined) requireLast(command);
    await root.parseAsync([...args], { from: 'user' });
    await terminal.out.flush();
    return EXIT_DONE;
  } catch (error) {
    const rank = await turnToFail();
    const { exitCode, line } = commandFailure(error, rank === undefined ? title : `${title}: rank ${rank}`);
    if (process.env['BERTRAM_DEBUG'] === '1' && line !== undefined) console.error(error);
    else if (line !== undefined) terminal.err.write(`${line}\n`);
    await terminal.out.flush().catch(() => undefined);
    return exitCode;
  }
}

/** All commands by name and description, and the one that is called with its options. */
async function program(terminal: Terminal, called?: string): Promise<Command> {
  const root = new Command('bertram')
    .description('BERT from corpus to answer')
    .version(packageVersion(), '-V, --version', 'the version of the program')
    .helpCommand('help [command]', 'options of a command')
    .enablePositionalOptions();
  for (const [name, { description, load }] of Object.entries(COMMANDS)) {
    const command = name === called ? (await load())(terminal) : new Command(name);
    root.addCommand(command.description(description));
  }
  const output: OutputConfiguration = {
    writeOut: (text) => void terminal.out.write(text),
    // Errors are reported in one line, by whoever catches them.
    writeErr: () => undefined,
  };
  for (const command of withNested(root)) {
    command.exitOverride().configureOutput(output).allowExcessArguments(false);
  }
  return root;
}

/** The command that is called, or the one of its own that is: `train` of `classify`. */
function nestedCommand(parent: Command, argv: readonly string[]): Command | undefined {
  for (const [i, arg] of argv.slice(0, 2).entries()) {
    const command = parent.commands.find((candidate) => candidate.name() === arg);
    if (command !== undefined) return nestedCommand(command, argv.slice(i + 1)) ?? command;
  }
  return undefined;
}

function titleOf(command: Command): string {
  return command.parent === null ? command.name() : `${titleOf(command.parent)} ${command.name()}`;
}

function withNested(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withNested)];
}

/** Looks for required options only when all others are known to be right, so that a misspelt one is named as such. */
function requireLast(command: Command): void {
  const required = command.options.filter((option) => option.mandatory);
  for (const option of required) option.mandatory = false;
  command.hook('preAction', () => {
    const missing = required.find((option) => command.getOptionValue(option.attributeName()) === undefined);
    if (missing !== undefined) throw new BertramError('bad-input', `expected ${missing.flags}, got none`);
  });
}

/** Both `src/cli/` and `dist/cli/` lie two levels below the package. */
function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
