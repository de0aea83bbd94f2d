// Proofs as files: JSON in one spelling.

import { readJson } from './json.js';
import { Refused } from './refused.js';

export const BYTES_MAX = 64 * 1024 * 1024;

/**
 * What bytes of a file are by a shape, in its one spelling, a newline at the end allowed. Throws a `Refused` of this name
 * where they are something else.
 */
export function readSpelled(shape, file, name) {
  const refused = (detail) => new Refused(name, detail);
  if (file.length > BYTES_MAX) throw refused(`more than ${BYTES_MAX} bytes`);
  let text;
  let read;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file).replace(/\n$/, '');
    read = shape.read(readJson(text));
  } catch (error) {
    throw refused(error.message);
  }
  if (shape.json(read) !== text) throw refused('the same values in another spelling than the canonical one');
  return read;
}
