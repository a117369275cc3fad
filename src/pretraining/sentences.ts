/**
 * Splits a paragraph into sentences: the boundaries of Unicode text segmentation, less those that abbreviations make.
 *
 *     He met Dr. Smith. | "Is it so?" he asked. | The U.S. Army came. | He left the U.S. | The rest stayed.
 *
 * Reference: Unicode Standard Annex 29, sentence boundaries, which `Intl.Segmenter` implements. It knows no
 * abbreviations, and its ICU data has a list of them that JavaScript cannot switch on.
 */

/** Never the last word of a sentence: a name, a number or a quotation follows. */
const PREFIXES = wordSet(`
  Adm Br Brig Capt Cdr Cmdr Col Cpl Dr Drs Ens Fr Gen Gov Hon Lt Maj Messrs Mr Mrs Ms Mx Pres Prof Pvt Rep Rev Sen Sgt
  Sr Sra St Ste Supt Mt Ft
  approx ca cf c fig figs Fig Figs eq eqs no nos No Nos nr Nr p pp vol Vol vols ch sec Sec art Art op Op ed eds trans
  v viz vs al
  Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Wed Thu Fri
`);

/** May end a sentence, and does so before a word that often begins one. */
const SUFFIXES = wordSet(
  'Inc Ltd Co Corp Bros Jr Sr Esq etc Dept Univ Assn Ave Blvd Rd Calif Mass Conn Penn',
);

const OPENERS = wordSet(`
  A After All Although An And As At Because Before But By During Each Even For From Further He Her Here His How However
  I If In It Its Many Most My No On One Only Other Our She Since So Some Such That The Their Then There These They This
  Those Though Thus To Under Until We What When Where While Who With Yet You
`);

/** An initial, as in `J. Smith`; `I.` is one too. */
const INITIAL = /^\p{Lu}$/u;
/** Letters with full stops between, the last one taken off: `U.S`, `e.g`, `Ph.D`. */
const DOTTED = /^\p{L}{1,2}(?:\.\p{L}{1,2})+$/u;

/** From the last word before a boundary to the first one behind it. */
const LAST_WORD = /[^\s("'“‘[]*$/u;
const FIRST_WORD = /^[\p{L}\p{M}]*/u;
const LOWER_CASE = /^\p{Ll}/u;
const WHITE_SPACE = /\s/;

/** A last word is looked for in so many UTF-16 units; no abbreviation is longer. */
const LONGEST_WORD = 16;

export class SentenceSplitter {
  readonly #segmenter: Intl.Segmenter;

  /** @param locale a BCP 47 language tag; the abbreviations are those of English in any case */
  constructor(locale = 'en') {
    this.#segmenter = new Intl.Segmenter(locale, { granularity: 'sentence' });
  }

  /** Where the sentences of a paragraph end: UTF-16 offsets, the last one the paragraph's own end. */
  ends(paragraph: string): number[] {
    const ends: number[] = [];
    for (const { index } of this.#segmenter.segment(paragraph))
      if (index > 0 && !joins(paragraph, index)) ends.push(index);
    ends.push(paragraph.length);
    return ends;
  }
}

/** Whether what stands on the two sides of a boundary belongs to one sentence after all. */
function joins(text: string, boundary: number): boolean {
  if (LOWER_CASE.test(text.slice(boundary, boundary + 2))) return true;
  let end = boundary;
  while (end > 0 && WHITE_SPACE.test(text.charAt(end - 1))) end--;
  if (text.charAt(end - 1) !== '.') return false;
  const word = LAST_WORD.exec(text.slice(Math.max(0, end - LONGEST_WORD), end - 1))![0];
  if (PREFIXES.has(word) || INITIAL.test(word)) return true;
  if (!SUFFIXES.has(word) && !DOTTED.test(word)) return false;
  return !OPENERS.has(FIRST_WORD.exec(text.slice(boundary, boundary + LONGEST_WORD))![0]);
}

function wordSet(words: string): ReadonlySet<string> {
  return new Set(words.trim().split(/\s+/));
}
