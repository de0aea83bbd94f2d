// Retired certificates, checked step by step as docs/protocol.md says.

import * as cbor from './cbor.js';
import * as shape from './shape.js';
import { certificate, checkBlocks, header, proof, steps } from './block.js';
import { hex, same, sha256, verifies } from './hash.js';
import { readJson } from './json.js';
import { includes } from './merkle.js';
import { Refused } from './refused.js';
import { BYTES_MAX, readSpelled } from './spelled.js';

/** The number of the action that retires certificates. */
const RETIRE = 5n;
const DOMAIN = 'voisin/instruction/v1';
const NO_HEADER = Uint8Array.of(0xa0);
/** A protected header before the key's bytes: EdDSA, and a key id. */
const PROTECTED = Uint8Array.of(0xa2, 0x01, 0x27, 0x04);

const portion = shape.record({
  interval: shape.interval,
  device: shape.key,
  first: shape.unsigned(),
  energy: shape.unsigned(),
});

const retirement = shape.record({
  member: shape.member,
  sequence: shape.unsigned(),
  certificates: portion,
  purpose: shape.text,
  beneficiary: shape.optional(shape.text),
});

const proved = shape.record({
  retirement,
  key: shape.key,
  signature: shape.hexadecimal(64),
  proof,
  header,
  certificate,
  steps,
});

/** What a node answers about one certificate: the claim, which is proved, and where the energy came from. */
const answer = shape.record({
  producer: shape.member,
  technology: shape.technology,
  bus: shape.nullable(shape.text),
  open: shape.interval,
  proved,
});

/** Reads a proved retirement (bytes of a file) in its one spelling, a newline at the end allowed. */
export const readRetirement = (file) => readSpelled(proved, file, 'malformed_retirement');

/** Reads a node's answer about one certificate (a text). */
export function readAnswer(text) {
  if (text.length > BYTES_MAX) throw new Refused('malformed_retirement', `more than ${BYTES_MAX} characters`);
  try {
    return answer.read(readJson(text));
  } catch (error) {
    throw new Refused('malformed_retirement', error.message);
  }
}

const protectedHeader = (key) => cbor.bytes(cbor.concat([PROTECTED, cbor.bytes(key.bytes)]));

function payload({ member, sequence, certificates, purpose, beneficiary }) {
  const fields = [portion.cbor(certificates), cbor.text(purpose), ...(beneficiary === undefined ? [] : [cbor.text(beneficiary)])];
  const action = cbor.array([cbor.integer(RETIRE), cbor.array(fields)]);
  return cbor.bytes(cbor.array([cbor.bytes(member), cbor.integer(sequence), action]));
}

/** The instruction as its member signed it. */
export const message = (read) =>
  cbor.array([protectedHeader(read.key), NO_HEADER, payload(read.retirement), cbor.bytes(read.signature)]);

/**
 * Checks what `readRetirement` read against what `readGenesis` did. Gives the blocks that were checked, from the first
 * change of validators to the claim's own; throws a `Refused` with the first thing that is wrong.
 */
export async function checkRetirement(read, genesis) {
  const blocks = await checkBlocks(read, genesis);
  if (!(await includes(read.header.transactions, read.proof, await sha256(message(read))))) {
    throw new Refused('not_in_block', `the instruction is no leaf of block ${read.header.height}`);
  }
  const domain = cbor.array([cbor.text(DOMAIN), cbor.bytes(genesis.chain)]);
  const signed = cbor.array([cbor.text('Signature1'), protectedHeader(read.key), cbor.bytes(domain), payload(read.retirement)]);
  if (!(await verifies(read.key.bytes, read.signature, signed))) {
    throw new Refused('not_signed', 'the instruction was not signed by the key that it names');
  }
  return blocks;
}

/** Throws where a claim is not of the certificate `{ start, device, number }`, each as text. */
export function checkName({ retirement: { certificates: { interval, device, first, energy } } }, name) {
  const number = BigInt(name.number);
  const isOf = interval.text.startsWith(`${name.start}/`) && device.text === name.device && number >= first && number < first + energy;
  if (!isOf) throw new Refused('other_certificate', `the claim is of ${interval.text}, ${device.text}, ${energy} from ${first} on`);
}

/**
 * The member whose device it is by the genesis; undefined where the genesis does not have the device. Throws where it is
 * another one than `producer`.
 */
export function founderOf(genesis, device, producer) {
  const founder = genesis.members.find((member) => same(member.device.bytes, device.bytes));
  if (founder && !same(founder.member, producer)) throw new Refused('other_producer', `the genesis has ${hex(founder.member)}`);
  return founder;
}
