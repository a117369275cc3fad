/** 40 documents of letters and digits, which are all that the small vocabulary has. */
export const letterCorpus = Array.from({ length: 40 }, (_, document) =>
  Array.from({ length: 4 }, (_, paragraph) => {
    const letter = String.fromCharCode(97 + ((document + paragraph) % 26));
    return `One ${letter} two ${letter}${letter}. Then ${document} came. So we ${letter} on, and on.\n`;
  }).join(''),
).join('\n');
