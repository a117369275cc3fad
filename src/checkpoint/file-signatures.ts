/** Files often found in the place of a weight file, told by how they begin. */

const SIGNATURES: readonly (readonly [signature: string, what: string])[] = [
  ['version ', 'a Git LFS pointer (git lfs pull fetches the file itself)'],
  ['PK\x03\x04', 'a zip archive, as torch.save writes'],
  ['\x80\x02', 'a pickle, as torch.save once wrote'],
  ['\x89HDF', 'an HDF5 file, as Keras writes'],
  ['<!DOCTYP', 'an HTML page'],
];

/** @param start the first 8 bytes of a file, or all of a shorter one */
export function mistakenFor(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start);
  return SIGNATURES.find(([signature]) => text.startsWith(signature))?.[1];
}
