// Merkle trees (RFC 6962 §2.1).

import { concat } from './cbor.js';
import { same, sha256 } from './hash.js';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/**
 * Whether `leaf` (bytes) is the one at `proof.index` of the tree with `root.leaves` leaves and the hash `root.hash`
 * (RFC 9162 §2.1.3.2, for the same trees).
 */
export async function includes(root, proof, leaf) {
  if (proof.index >= root.leaves) return false;
  let [at, last] = [proof.index, root.leaves - 1n];
  let hash = await sha256(concat([LEAF, leaf]));
  for (const sibling of proof.path) {
    if (last === 0n) return false;
    if (at & 1n || at === last) {
      hash = await sha256(concat([NODE, sibling, hash]));
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else {
      hash = await sha256(concat([NODE, hash, sibling]));
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n && same(hash, root.hash);
}
