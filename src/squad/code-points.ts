/**
 * Offsets in Unicode code points, which Python counts and SQuAD files hold, to offsets in UTF-16 units, which
 * JavaScript counts. They differ after the first character beyond U+FFFF, such as an emoji.
 */
const SURROGATE = /[\ud800-\udbff]/;

/**
 * The UTF-16 offset of every code point of `text`, and of its end; `undefined` where the two kinds of offset are the
 * same, as in nearly all paragraphs.
 *
 * Example: `'a😀b'` gives `[0, 1, 3, 4]`: the `b` is code point 2 and unit 3.
 */
export function utf16OffsetsOf(text: string): Int32Array | undefined {
  if (!SURROGATE.test(text)) return undefined;
  const offsets: number[] = [];
  let offset = 0;
  for (const character of text) {
    offsets.push(offset);
    offset += character.length;
  }
  offsets.push(offset);
  return Int32Array.from(offsets);
}
