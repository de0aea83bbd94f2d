// A receipt, checked step by step as docs/protocol.md says.

import * as cbor from './cbor.js';
import * as shape from './shape.js';
import { certificate, checkBlock, header, validatorsHash } from './block.js';
import { validators } from './genesis.js';
import { same, sha256 } from './hash.js';
import { readJson } from './json.js';
import { includes } from './merkle.js';
import { Refused } from './refused.js';

const BYTES_MAX = 64 * 1024 * 1024;
const NEIGHBOURS_MAX = 1_000;
const STEPS_MAX = 1_000_000;
const PATH_MAX = 64;

const line = shape.record({
  member: shape.member,
  bought: shape.unsigned(),
  sold: shape.unsigned(),
  imported: shape.unsigned(),
  exported: shape.unsigned(),
  paid: shape.money,
  earned: shape.money,
  supply_cost: shape.money,
  supply_revenue: shape.money,
});

/** The leaf of the block's tree of entries. */
export const entry = shape.record({
  interval: shape.interval,
  price: shape.nullable(shape.price),
  line,
  correction: shape.unsigned(32n),
  tariffs: shape.record({ retail_price: shape.price, feed_in_price: shape.price }),
  neighbours: shape.optional(shape.hash),
  provisional: shape.optional(shape.yes),
});

const neighbours = shape.list(
  shape.record({
    member: shape.member,
    bought: shape.unsigned(),
    sold: shape.unsigned(),
    technology: shape.optional(shape.technology),
  }),
  NEIGHBOURS_MAX,
);

const receipt = shape.record({
  entry,
  proof: shape.record({ index: shape.unsigned(), path: shape.list(shape.hash, PATH_MAX) }),
  header,
  certificate,
  steps: shape.list(shape.record({ header, certificate, validators }), STEPS_MAX),
  neighbours: shape.optional(neighbours),
});

/** Reads a receipt (bytes of a file) in its one spelling, a newline at the end allowed. */
export function readReceipt(file) {
  const refused = (detail) => new Refused('malformed_receipt', detail);
  if (file.length > BYTES_MAX) throw refused(`more than ${BYTES_MAX} bytes`);
  let text;
  let read;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file).replace(/\n$/, '');
    read = receipt.read(readJson(text));
    if (read.neighbours?.length === 0) throw new TypeError('neighbours: an empty list, which is left out');
  } catch (error) {
    throw refused(error.message);
  }
  if (receipt.json(read) !== text) throw refused('the same values in another spelling than the canonical one');
  return read;
}

/**
 * Checks what `readReceipt` read against what `readGenesis` did. Gives the blocks that were checked, from the first change
 * of validators to the receipt's own; throws a `Refused` with the first thing that is wrong.
 */
export async function checkReceipt(read, genesis) {
  const blocks = await checkBlocks(read, genesis);
  if (!(await includes(read.header.entries, read.proof, entry.cbor(read.entry)))) {
    throw new Refused('not_in_block', `the entry is no leaf of block ${read.header.height}`);
  }
  checkTariffs(read.entry);
  await checkNeighbours(read);
  return blocks;
}

async function checkBlocks(read, genesis) {
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

/** Millionths per kWh times Wh are billionths. */
function checkTariffs({ line: of, tariffs }) {
  const isSo =
    of.supply_cost === of.imported * tariffs.retail_price && of.supply_revenue === of.exported * tariffs.feed_in_price;
  if (!isSo) throw new Refused('other_tariff', 'what the supplier takes or gives is not energy times tariff');
}

async function checkNeighbours({ entry: { neighbours: named, line: of }, neighbours: listed }) {
  // Held back, they say nothing, and the line is proved all the same.
  if (listed === undefined) return;
  const found = await sha256(cbor.array([cbor.text('voisin/neighbours/v1'), neighbours.cbor(listed)]));
  if (!named || !same(named, found)) throw new Refused('other_neighbours', 'not those whose hash the entry has');
  for (const side of ['bought', 'sold']) {
    if (listed.reduce((sum, neighbour) => sum + neighbour[side], 0n) !== of[side]) {
      throw new Refused('neighbours_do_not_add_up', `what was ${side} is not the sum of the neighbours'`);
    }
  }
}
