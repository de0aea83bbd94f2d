// The genesis: what a visitor believes, and everything else follows from.

import * as shape from './shape.js';
import { sha256 } from './hash.js';
import { readJson } from './json.js';
import { Refused } from './refused.js';

const BYTES_MAX = 64 * 1024 * 1024;
const MEMBERS_MAX = 10_000;
const MECHANISMS_MAX = 16;
const GRID_LINES_MAX = 4 * MEMBERS_MAX;
export const VALIDATORS_MAX = 100;

const claim = shape.record({
  member: shape.member,
  life_safety_w: shape.defaulting(shape.unsigned(), 0n),
  critical_w: shape.defaulting(shape.unsigned(), 0n),
  persons: shape.defaulting(shape.unsigned(32n), 1n),
  other_w: shape.optional(shape.unsigned()),
});

const island = shape.record({
  posted_price: shape.price,
  price_cap: shape.price,
  zero_intervals: shape.optional(shape.unsigned(32n)),
  basic_w: shape.unsigned(),
  recharge_intervals: shape.unsigned(32n),
  reserve_ppm: shape.unsigned(32n),
  claims: shape.defaulting(shape.list(claim, MEMBERS_MAX), []),
  validators: shape.defaulting(shape.list(shape.key, VALIDATORS_MAX), []),
});

const parameters = shape.record({
  community_price: shape.optional(shape.price),
  shares: shape.optional(shape.list(shape.record({ member: shape.member, ppm: shape.unsigned(32n) }), MEMBERS_MAX)),
  priority: shape.optional(shape.list(shape.member, MEMBERS_MAX)),
  derate_ppm: shape.optional(shape.unsigned(32n)),
  fees: shape.optional(
    shape.record({
      between_buses: shape.optional(shape.price),
      transformer: shape.optional(shape.price),
      lines: shape.defaulting(shape.list(shape.record({ line: shape.text, fee: shape.price }), GRID_LINES_MAX), []),
    }),
  ),
  participation: shape.optional(shape.list(shape.record({ member: shape.member, ppm: shape.unsigned(32n) }), MEMBERS_MAX)),
  island: shape.optional(island),
});

const rules = shape.record({
  retail_price: shape.price,
  feed_in_price: shape.price,
  mechanism: shape.text,
  parameters: shape.optional(parameters),
  transformer: shape.optional(
    shape.record({
      member: shape.member,
      tolerance_wh: shape.defaulting(shape.unsigned(), 0n),
      tolerance_ppm: shape.defaulting(shape.unsigned(32n), 0n),
    }),
  ),
  pack: shape.optional(
    shape.record({
      id: shape.text,
      hash: shape.hash,
      currency: shape.text,
      first: shape.interval,
      last: shape.interval,
      mechanisms: shape.list(shape.text, MECHANISMS_MAX),
      network: shape.optional(shape.record({ price: shape.price, ppm: shape.unsigned(32n) })),
    }),
  ),
});

const enrolled = shape.record({
  member: shape.member,
  key: shape.key,
  device: shape.key,
  rated_power_w: shape.unsigned(),
  bus: shape.optional(shape.text),
  import_wh: shape.defaulting(shape.unsigned(), 0n),
  export_wh: shape.defaulting(shape.unsigned(), 0n),
  technology: shape.optional(shape.technology),
});

const gridLine = shape.record({ line: shape.text, from: shape.text, to: shape.text, rated_va: shape.unsigned() });

/** The validators in their order, as their hash covers them. */
export const validators = shape.list(shape.record({ key: shape.key, power: shape.unsigned() }), VALIDATORS_MAX);

const genesis = shape.record({
  community: shape.text,
  currency: shape.text,
  first_interval: shape.interval,
  rules,
  market: shape.key,
  validators,
  members: shape.list(enrolled, MEMBERS_MAX),
  grid: shape.optional(
    shape.record({
      transformer: shape.text,
      transformer_va: shape.unsigned(),
      root: shape.text,
      lines: shape.list(gridLine, GRID_LINES_MAX),
    }),
  ),
  time_zone: shape.optional(shape.text),
});

/** Reads a genesis (bytes of a JSON file): what it says, and the chain that it is the name of. */
export async function readGenesis(file) {
  if (file.length > BYTES_MAX) throw new Refused('malformed_genesis', `more than ${BYTES_MAX} bytes`);
  let read;
  try {
    read = genesis.read(readJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file)));
  } catch (error) {
    throw new Refused('malformed_genesis', error.message);
  }
  const cbor = genesis.cbor(read);
  return { ...read, cbor, chain: await sha256(cbor) };
}
