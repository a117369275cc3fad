/**
 * A vocabulary: token strings and their ids, as in the `vocab.txt` of a BERT checkpoint (one token a line, the id its
 * line number from 0).
 */
import { BertramError, badInput, shown } from '../support/errors.ts';

export class Vocabulary {
  /** One more than the largest id: the number of rows that a model's word embedding needs. */
  readonly size: number;
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #tokenOf: readonly (string | undefined)[];

  /**
   * @param idOf the id of each token; ids are distinct and not negative
   * @param where what to call the vocabulary in errors
   * @throws BertramError `bad-input` when empty, or an id is no small integer or stands for two tokens
   */
  constructor(idOf: ReadonlyMap<string, number>, where = 'vocabulary') {
    if (idOf.size === 0) badInput(where, 'at least one token', 'none');
    // The limit refuses a stray huge id before it becomes a huge array.
    const limit = 16 * idOf.size + 65536;
    const tokenOf: (string | undefined)[] = [];
    for (const [token, id] of idOf) {
      if (!Number.isInteger(id) || id < 0 || id >= limit) {
        badInput(where, `an id from 0 to ${limit - 1} for ${shown(token)}`, shown(id));
      }
      const other = tokenOf[id];
      if (other !== undefined)
        badInput(where, 'distinct ids', `${id} for ${shown(other)} and ${shown(token)}`);
      tokenOf[id] = token;
    }
    this.size = tokenOf.length;
    this.#idOf = idOf;
    this.#tokenOf = tokenOf;
  }

  /**
   * Reads the contents of a `vocab.txt`.
   * @throws BertramError `bad-input` for text that is empty or binary, has CR LF line ends, a blank or a double line
   */
  static parse(text: string, where = 'vocab.txt'): Vocabulary {
    if (text.length === 0) badInput(where, 'one token a line', 'an empty file');
    const nul = text.indexOf('\0');
    if (nul >= 0) badInput(where, 'text, one token a line', `binary data (a NUL at character ${nul})`);
    if (text.startsWith('\uFEFF')) badInput(where, 'text without a byte order mark', 'one at its start');
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    const idOf = new Map<string, number>();
    lines.forEach((token, id) => {
      const line = `${where} line ${id + 1}`;
      if (token.endsWith('\r')) badInput(line, 'a line that ends in LF', 'CR LF');
      if (token === '') badInput(line, 'a token', 'a blank line');
      const first = idOf.get(token);
      if (first !== undefined)
        badInput(line, 'each token once', `${shown(token)}, also on line ${first + 1}`);
      idOf.set(token, id);
    });
    return new Vocabulary(idOf, where);
  }

  /** How many tokens there are: `size`, unless some ids are not in use. */
  get count(): number {
    return this.#idOf.size;
  }

  idOf(token: string): number | undefined {
    return this.#idOf.get(token);
  }

  /** @throws BertramError `bad-input` for an id that no token has */
  tokenOf(id: number): string {
    return (
      this.#tokenOf[id] ?? badInput('vocabulary', `an id below ${this.size} that has a token`, shown(id))
    );
  }

  /** All tokens with their ids. */
  entries(): IterableIterator<[string, number]> {
    return this.#idOf.entries();
  }

  /** @throws BertramError `bad-input` when the vocabulary lacks the token */
  require(token: string, where = 'vocabulary'): number {
    const id = this.#idOf.get(token);
    if (id === undefined) {
      throw new BertramError(
        'bad-input',
        `${where}: expected a ${token} token, got ${this.size} tokens without it`,
      );
    }
    return id;
  }

  /**
   * This vocabulary with further tokens; itself if it has them all.
   * @throws BertramError `bad-input` when it has one with another id, or an id for another token
   */
  extended(
    tokens: readonly { readonly content: string; readonly id: number }[],
    where = 'vocabulary',
  ): Vocabulary {
    const idOf = new Map(this.#idOf);
    for (const { content, id } of tokens) {
      const known = idOf.get(content) ?? id;
      if (known !== id)
        badInput(`${where} added token ${content}`, `its id in the vocabulary, ${known}`, String(id));
      idOf.set(content, id);
    }
    return idOf.size === this.count ? this : new Vocabulary(idOf, where);
  }

  /** The contents of a `vocab.txt`. @throws BertramError `bad-input` when some id has no token */
  toString(): string {
    return Array.from({ length: this.size }, (_, id) => `${this.tokenOf(id)}\n`).join('');
  }
}
