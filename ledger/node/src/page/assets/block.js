// Headers of blocks, and the validators' signatures on them.

import * as cbor from './cbor.js';
import * as shape from './shape.js';
import { VALIDATORS_MAX, validators } from './genesis.js';
import { hex, same, sha256, verifies } from './hash.js';
import { Refused } from './refused.js';

const STEPS_MAX = 1_000_000;
const PATH_MAX = 64;

const root = shape.record({ leaves: shape.unsigned(), hash: shape.hash });

/** A block's header. */
export const header = shape.record({
  chain: shape.hash,
  height: shape.unsigned(),
  previous: shape.hash,
  validators: shape.hash,
  next_validators: shape.hash,
  transactions: root,
  entries: root,
  state: root,
});

/** The validators' signatures on it. */
export const certificate = shape.record({
  height: shape.unsigned(),
  round: shape.unsigned(32n),
  block: shape.hash,
  signatures: shape.list(
    shape.record({ validator: shape.key, signature: shape.hexadecimal(64) }),
    VALIDATORS_MAX,
  ),
});

/** What a validator signs to commit to a block. */
export const vote = (chain, height, round, block) =>
  cbor.array([
    cbor.text('voisin/vote/v1'),
    cbor.bytes(chain),
    cbor.integer(1n),
    cbor.integer(height),
    cbor.integer(round),
    cbor.bytes(block),
  ]);

/** The hash of validators, as a header has it. */
export const validatorsHash = (present) => sha256(validators.cbor(present));

/** The way from a leaf to a root of a header. */
export const proof = shape.record({ index: shape.unsigned(), path: shape.list(shape.hash, PATH_MAX) });

/** How the validators of the genesis became those of a header. */
export const steps = shape.list(shape.record({ header, certificate, validators }), STEPS_MAX);

const isBefore = (one, other) => hex(one) < hex(other);

/**
 * Checks a block of `chain` that comes after `height` and that `present` decide. Gives who signed it, with what power of
 * how much; throws a `Refused` where they did not.
 */
export async function checkBlock({ header: found, certificate: signed }, chain, present, height) {
  const at = `block ${found.height}`;
  if (!same(found.chain, chain)) {
    throw new Refused('another_chain', `${at} is of ${hex(found.chain)}, not of ${hex(chain)}`);
  }
  if (found.height <= height) throw new Refused('height_not_higher', `${at} does not come after block ${height}`);
  if (!same(found.validators, await validatorsHash(present))) {
    throw new Refused('other_validators', `${at} was decided by others than the validators before it led to`);
  }
  const block = await sha256(header.cbor(found));
  if (!same(signed.block, block) || signed.height !== found.height) {
    throw new Refused('other_block', `what was signed is not the header of ${at}`);
  }
  const powers = new Map(present.map(({ key, power }) => [key.text, power]));
  const message = vote(chain, signed.height, signed.round, block);
  let power = 0n;
  let last = null;
  for (const { validator, signature } of signed.signatures) {
    if (last && !isBefore(last, validator.bytes)) {
      throw new Refused('signatures_not_ascending', `${at}: ${validator.text} is not in order`);
    }
    last = validator.bytes;
    if (!powers.has(validator.text)) throw new Refused('unknown_signer', `${at}: ${validator.text} is no validator`);
    if (!(await verifies(validator.bytes, signature, message))) {
      throw new Refused('bad_signature', `${at}: ${validator.text} did not sign this`);
    }
    power += powers.get(validator.text);
  }
  const total = [...powers.values()].reduce((sum, one) => sum + one, 0n);
  if (3n * power <= 2n * total) {
    throw new Refused('too_few_signatures', `${at}: ${power} of ${total} is not more than two thirds`);
  }
  return { height: found.height, signers: signed.signatures.map(({ validator }) => validator.text), power, total };
}

/**
 * Checks the steps of a proof and its own block, beginning with the validators of a genesis. Gives the blocks that were
 * checked, in their order; throws a `Refused` with the first thing that is wrong.
 */
export async function checkBlocks(read, genesis) {
  const blocks = [];
  let present = genesis.validators;
  let height = 0n;
  for (const step of read.steps) {
    blocks.push(await checkBlock(step, genesis.chain, present, height));
    if (same(step.header.next_validators, step.header.validators)) {
      throw new Refused('nothing_changes', `block ${step.header.height} changes no validators`);
    }
    if (!same(step.header.next_validators, await validatorsHash(step.validators))) {
      throw new Refused('other_validators', `block ${step.header.height} leads to other validators than the step's`);
    }
    present = step.validators;
    height = step.header.height;
  }
  blocks.push(await checkBlock(read, genesis.chain, present, height));
  return blocks;
}
