/**
 * What `mpirun --tag-output` prints, taken apart again: the lines of each rank, and those of mpirun itself.
 *
 * A tag stands before every piece that a rank has written, which may be less than a line: rank 0 that writes `a` and
 * then `b` and an end of line, with rank 1 between, comes as
 *
 *     [1,0]<stdout>:a[1,1]<stdout>:whole
 *     [1,0]<stdout>:b
 */
export type RankStream = 'stdout' | 'stderr';

export interface OutputReceiver {
  readonly onLine: (rank: number, stream: RankStream, line: string) => void;
  /** A line that no rank has written. */
  readonly onOwnLine: (line: string) => void;
}

const TAG = /\[\d+,(\d+)\]<(stdout|stderr)>:/;

export class MpirunOutput {
  readonly #receiver: OutputReceiver;
  /** What each rank has begun to write, by its tag. */
  readonly #begun = new Map<string, string>();
  #unread = '';

  constructor(receiver: OutputReceiver) {
    this.#receiver = receiver;
  }

  write(text: string): void {
    const lines = (this.#unread + text).split('\n');
    this.#unread = lines.pop()!;
    for (const line of lines) this.#read(line, true);
  }

  /** There is no more: what has been begun is a line, too. */
  end(): void {
    if (this.#unread !== '') this.#read(this.#unread, false);
    for (const [tag, text] of this.#begun) if (text !== '') this.#tell(tag, '');
  }

  /** A line of the whole: pieces with their tags, the last of which the end of the line belongs to. */
  #read(line: string, isEnded: boolean): void {
    const [own, ...pieces] = line.split(new RegExp(`(?=${TAG.source.replace(/\((?!\?)/g, '(?:')})`));
    const tagged = TAG.test(own!) ? [own!, ...pieces] : pieces;
    if (!TAG.test(own!) && own !== '') this.#receiver.onOwnLine(own!);
    for (const [i, piece] of tagged.entries()) {
      const [tag, rank, stream] = TAG.exec(piece)!;
      const key = `${rank!} ${stream!}`;
      const text = piece.slice(tag.length);
      if (isEnded && i === tagged.length - 1) this.#tell(key, text);
      else this.#begun.set(key, (this.#begun.get(key) ?? '') + text);
    }
  }

  #tell(key: string, text: string): void {
    const [rank, stream] = key.split(' ') as [string, RankStream];
    const line = (this.#begun.get(key) ?? '') + text;
    this.#begun.delete(key);
    this.#receiver.onLine(Number(rank), stream, line);
  }
}
