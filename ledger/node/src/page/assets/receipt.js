// A receipt, checked step by step as docs/protocol.md says.

import * as cbor from './cbor.js';
import * as shape from './shape.js';
import { certificate, checkBlocks, header, proof, steps } from './block.js';
import { same, sha256 } from './hash.js';
import { includes } from './merkle.js';
import { Refused } from './refused.js';
import { readSpelled } from './spelled.js';

const NEIGHBOURS_MAX = 1_000;

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
  proof,
  header,
  certificate,
  steps,
  neighbours: shape.optional(neighbours),
});

/** Reads a receipt (bytes of a file) in its one spelling, a newline at the end allowed. */
export function readReceipt(file) {
  const read = readSpelled(receipt, file, 'malformed_receipt');
  if (read.neighbours?.length === 0) throw new Refused('malformed_receipt', 'neighbours: an empty list, which is left out');
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
