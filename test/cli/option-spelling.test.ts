import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { withDashes } from '../../src/cli/option-spelling.ts';

const command = new Command()
  .option('--doc-stride <n>')
  .option('--question <text>')
  .option('--resume-from-checkpoint [dir]')
  .option('--do-train')
  .option('--no-answer');

describe('withDashes', () => {
  it.each<[string[], string[]]>([
    [
      ['--doc_stride', '5'],
      ['--doc-stride', '5'],
    ],
    [['--doc_stride=5_0'], ['--doc-stride=5_0']],
    [
      ['--doc-stride', '5', '--do_train'],
      ['--doc-stride', '5', '--do-train'],
    ],
    [['--no_answer'], ['--no-answer']],
    [
      ['--question', '--doc_stride'],
      ['--question', '--doc_stride'],
    ],
    [
      ['--question=--doc_stride', '--do_train'],
      ['--question=--doc_stride', '--do-train'],
    ],
    [
      ['--resume_from_checkpoint', '--do_train'],
      ['--resume-from-checkpoint', '--do-train'],
    ],
    [
      ['--not_known', 'a_b'],
      ['--not_known', 'a_b'],
    ],
    [
      ['a_b', '--', '--doc_stride'],
      ['a_b', '--', '--doc_stride'],
    ],
    [['-x_y'], ['-x_y']],
  ])('%j', (args, expected) => {
    expect(withDashes(args, command)).toEqual(expected);
  });
});
