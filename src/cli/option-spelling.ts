/** Options with underscores, as users of the reference programs type them: `--doc_stride` for `--doc-stride`. */
import type { Command } from 'commander';

/**
 * Arguments of a command with every known option spelled with dashes. Values stay as they are, also those that look
 * like options: in `--question --what_is_this` the second is the question.
 */
export function withDashes(args: readonly string[], command: Command): string[] {
  const result: string[] = [];
  let isValue = false;
  for (const [i, arg] of args.entries()) {
    if (arg === '--') return [...result, ...args.slice(i)];
    if (isValue || !arg.startsWith('--')) {
      result.push(arg);
      isValue = false;
      continue;
    }
    const [, typed = arg, value = ''] = /^([^=]*)(.*)$/s.exec(arg)!;
    const name = typed.replaceAll('_', '-');
    const option = command.options.find(({ long }) => long === name);
    result.push(option === undefined ? arg : name + value);
    isValue = option?.required === true && value === '';
  }
  return result;
}
