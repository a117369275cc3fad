/**
 * Token strings back to text, as the `WordPiece` decoder of Hugging Face `tokenizers` does it. What was lost on the way
 * to the tokens (case, accents, white space) stays lost: to quote a text, slice it by offsets.
 */

/** Applied within one token and the space before it. */
const CLEANUPS: readonly (readonly [from: string, to: string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/**
 * Joins tokens with spaces, continuing pieces without.
 * @param prefix what marks the pieces that continue a word
 * @param cleanup whether to take out the space before full stops, commas and English contractions
 */
export function joinTokens(tokens: readonly string[], prefix: string, cleanup: boolean): string {
  return tokens
    .map((token, i) => {
      if (i === 0) return token;
      return token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    })
    .map((text) =>
      cleanup ? CLEANUPS.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text) : text,
    )
    .join('');
}
