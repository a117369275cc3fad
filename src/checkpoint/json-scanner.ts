/**
 * A strict pull scanner for JSON text from untrusted files: RFC 8259, and beyond it no key twice in an object.
 *
 * `JSON.parse` keeps the last of two equal keys without a word, turns `1.0` into `1`, rounds integers past 2^53 and
 * lets `__proto__` through as a property; a weight file must get away with none of these. The caller says which value
 * comes next, so the result is typed from the start and nothing is built that is not asked for:
 *
 *     const scanner = new JsonScanner('{"a":[1,2]}', 'sizes.json');
 *     scanner.object(() => { scanner.array(() => sizes.push(scanner.count())); });
 *     scanner.end();
 */
import { badInput, shown } from '../support/errors.ts';

/** How deep a skipped value may nest: the limit of serde_json, by which the safetensors library reads. */
const MAX_DEPTH = 128;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** What to show of text that is not what was expected: a string, a number or word, or one character. */
const TOKEN = /"[^"\\\p{Cc}]{0,30}"?|[\w.+-]{1,30}|./suy;
const LITERAL = /true|false|null/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;

export class JsonScanner {
  readonly #text: string;
  readonly #where: string;
  /** The keys of the objects around the position, outermost first, for error lines. */
  readonly #path: string[] = [];
  #position = 0;
  #depth = 0;

  /** @param where what is being read, to open every error line, such as `model.safetensors: header` */
  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  /** Reads an object; `readValue` must consume the value of the key it is given. Two equal keys are an error. */
  object(readValue: (key: string) => void): void {
    const seen = new Set<string>();
    this.#enter('{', 'an object');
    if (!this.#accept('}')) {
      do {
        const key = this.string('a key');
        if (seen.has(key)) this.#fail('each key once', `${shown(key)} a second time`);
        seen.add(key);
        this.#expect(':', "':' after a key");
        this.#path.push(key);
        readValue(key);
        this.#path.pop();
      } while (this.#accept(','));
      this.#expect('}', "',' or '}'");
    }
    this.#depth--;
  }

  /** Reads an array; `readItem` must consume one item. */
  array(readItem: () => void): void {
    this.#enter('[', 'an array');
    if (!this.#accept(']')) {
      do readItem();
      while (this.#accept(','));
      this.#expect(']', "',' or ']'");
    }
    this.#depth--;
  }

  /** Reads a string. Lone surrogates, which no UTF-8 can carry, are an error. */
  string(expected = 'a string'): string {
    this.#skipSpace();
    const start = this.#position;
    if (this.#text.charCodeAt(start) !== QUOTE) this.#failHere(expected);
    let end = start + 1;
    let escaped = false;
    for (;;) {
      const unit = this.#text.charCodeAt(end);
      if (unit === QUOTE) break;
      if (!(unit >= FIRST_PRINTABLE)) {
        // NaN, past the end of the text, lands here too.
        this.#position = end;
        this.#failHere("a string without control characters, closed by '\"'");
      }
      if (unit === BACKSLASH) escaped = true;
      end += unit === BACKSLASH ? 2 : 1;
    }
    this.#position = end + 1;
    if (!escaped) return this.#text.slice(start + 1, end);
    const value = this.#unescape(this.#text.slice(start, end + 1), start);
    if (LONE_SURROGATE.test(value))
      this.#fail('well-formed Unicode', `${shown(value)} with a lone surrogate`);
    return value;
  }

  /** Reads an integer from 0 to 2^53 - 1, written as one: `1.0`, `1e3` and `-0` are errors. */
  count(): number {
    this.#skipSpace();
    const start = this.#position;
    const literal = this.#match(NUMBER) ?? '';
    const value = Number(literal);
    if (!/^[0-9]+$/.test(literal) || !Number.isSafeInteger(value)) {
      this.#position = start;
      this.#failHere('an integer from 0 to 2^53 - 1');
    }
    return value;
  }

  /** Reads and forgets a value of any kind, still refusing whatever is not strict JSON. */
  skip(): void {
    this.#skipSpace();
    switch (this.#text[this.#position]) {
      case '{':
        this.object(() => this.skip());
        return;
      case '[':
        this.array(() => this.skip());
        return;
      case '"':
        this.string();
        return;
      default:
        if (this.#match(NUMBER) === undefined && this.#match(LITERAL) === undefined)
          this.#failHere('a JSON value');
    }
  }

  /** Refuses anything but white space after the value. */
  end(): void {
    this.#skipSpace();
    if (this.#position < this.#text.length) this.#failHere('nothing after the JSON value');
  }

  #enter(bracket: string, expected: string): void {
    this.#expect(bracket, expected);
    if (++this.#depth > MAX_DEPTH) this.#fail(`at most ${MAX_DEPTH} nested values`, 'more');
  }

  #expect(character: string, expected: string): void {
    if (!this.#accept(character)) this.#failHere(expected);
  }

  #accept(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#position] !== character) return false;
    this.#position++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#position);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#position++;
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#position += found.length;
    return found;
  }

  #unescape(quoted: string, start: number): string {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      this.#position = start;
      this.#fail('a string with valid escapes', shown(quoted.slice(1, -1)));
    }
  }

  #failHere(expected: string): never {
    TOKEN.lastIndex = this.#position;
    const token = TOKEN.exec(this.#text)?.[0];
    this.#fail(
      expected,
      token === undefined ? 'the end of the text' : /["\w-]/.test(token) ? token : shown(token),
    );
  }

  #fail(expected: string, got: string): never {
    const path = this.#path.map((key) => shown(key)).join(' / ');
    const where = `${this.#where}, character ${this.#position}`;
    badInput(path === '' ? where : `${where}, in ${path}`, expected, got);
  }
}
