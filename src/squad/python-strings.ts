/**
 * The few string operations of Python on which the reference programs' results depend and where JavaScript's namesakes
 * differ: what is white space, what is a word character, which ASCII characters are punctuation.
 *
 * Source: CPython's `str.split`, `str.isalnum`, `string.punctuation` and the `re` module. `str.lower` needs no
 * counterpart here: it and `String.prototype.toLowerCase` both apply Unicode's full mapping, final sigma included.
 */

/**
 * `str.isspace`: bidirectional class WS, B or S, or category Zs. JavaScript's `\s` lacks the separators U+001C to
 * U+001F and NEL (U+0085), and has U+FEFF, which Python does not count.
 */
const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const SPACES = new RegExp(`[${SPACE}]+`, 'u');

/** `\w` of Python's `re` on text: letters, numbers of any kind and the underscore, but no combining marks. */
const WORD = String.raw`[\p{L}\p{N}_]`;
const ARTICLES = new RegExp(`(?<!${WORD})(?:a|an|the)(?!${WORD})`, 'gu');

/** `string.punctuation`: ASCII only, so that typographic quotes and dashes stay. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/** `text.split()`: the maximal runs of non-space characters; none for a blank text. */
export function splitOnSpaces(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== '');
}

/** `''.join(c for c in text if c not in string.punctuation)`. */
export function removePunctuation(text: string): string {
  return text.replace(PUNCTUATION, '');
}

/** `re.sub(r'\b(a|an|the)\b', ' ', text)`: each lower-case article becomes one space. */
export function replaceArticles(text: string): string {
  return text.replace(ARTICLES, ' ');
}

/**
 * `repr` of a Python float, which is also how `json.dumps` writes it. Both languages print the shortest digits that
 * read back as the same double; they part on whole numbers (`1` and `1.0`) and on where the exponent begins:
 * `0.00001` and `1e-05`, `10000000000000000` and `1e+16`.
 */
export function formatPythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  const magnitude = Math.abs(value);
  if (value !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    const [digits = '', exponent = ''] = value.toExponential().split('e');
    return `${digits}e${exponent.charAt(0)}${exponent.slice(1).padStart(2, '0')}`;
  }
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('.') ? text : `${text}.0`;
}

/** `json.dumps` of a string with `ensure_ascii`, its default: everything beyond ASCII as `\uXXXX` in UTF-16 units. */
export function formatPythonString(value: string): string {
  return JSON.stringify(value).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
