// The card that checks a receipt. The two files are read here, and nothing of them is sent.

import { make } from './element.js';
import { amount, kwh, moment, price } from './format.js';
import { TEXTS } from './check-words.js';
import { hex, needCryptography } from './hash.js';
import { readGenesis } from './genesis.js';
import { checkReceipt, readReceipt } from './receipt.js';
import { decimalText } from './shape.js';
import { line, paragraph, refusal, signers } from './verdict.js';
import { speaker } from './words.js';

const say = speaker(TEXTS);
const at = (id) => document.getElementById(id);

/** What is checked, in this order; which of it a refusal is of. */
const STEPS = ['genesis', 'receipt', 'blocks', 'entry', 'tariffs', 'neighbours'];
const STEP_OF = {
  malformed_genesis: 'genesis',
  malformed_receipt: 'receipt',
  not_in_block: 'entry',
  other_tariff: 'tariffs',
  other_neighbours: 'neighbours',
  neighbours_do_not_add_up: 'neighbours',
};

const files = { genesis: null, receipt: null };
let asked = 0;

function believed(genesis, read, blocks) {
  const { entry } = read;
  const neighbours = read.neighbours === undefined
    ? say(entry.neighbours ? 'neighbours_held_back' : 'neighbours_none') : say('neighbours_add_up', { count: read.neighbours.length });
  return [
    line(say, 'passed', say('genesis'), paragraph(say('genesis_of', { community: genesis.community })), make('code', '', hex(genesis.chain))),
    line(say, 'passed', say('receipt'), paragraph(say('receipt_of', { member: hex(entry.line.member) }))),
    line(say, 'passed', say('blocks'), ...signers(say, blocks)),
    line(say, 'passed', say('entry'), paragraph(say('entry_in', { height: read.header.height }))),
    line(say, 'passed', say('tariffs'), paragraph(say('tariffs_are', {
      retail: price(decimalText(entry.tariffs.retail_price, 6)),
      feed_in: price(decimalText(entry.tariffs.feed_in_price, 6)),
      currency: genesis.currency,
    }))),
    line(say, 'passed', say('neighbours'), paragraph(neighbours)),
  ];
}

/** What is proved, in figures. */
function figures({ entry }, { currency, time_zone: zone }) {
  const of = entry.line;
  const money = (nanos) => `${amount(nanos, 9)} ${currency}`;
  const net = of.earned + of.supply_revenue - of.paid - of.supply_cost;
  const rows = [
    ['interval', moment(entry.interval.text, zone ?? 'UTC')],
    ['price', entry.price === null ? '–' : `${price(decimalText(entry.price, 6))} ${currency}`],
    ['bought', `${kwh(of.bought)} kWh`, money(of.paid)],
    ['sold', `${kwh(of.sold)} kWh`, money(of.earned)],
    ['imported', `${kwh(of.imported)} kWh`, money(of.supply_cost)],
    ['exported', `${kwh(of.exported)} kWh`, money(of.supply_revenue)],
    ['net', money(net)],
  ];
  const list = make('dl', 'fields', ...rows.map(([name, ...values]) =>
    make('div', '', make('dt', '', say(name)), ...values.map((value) => make('dd', '', value)))));
  const remarks = [];
  if (entry.correction > 0n) remarks.push(paragraph(say('correction', { number: entry.correction })));
  if (entry.provisional) remarks.push(paragraph(say('provisional')));
  return [list, ...remarks];
}

async function check() {
  if (!files.genesis || !files.receipt) {
    const missing = files.genesis ? 'give_receipt' : files.receipt ? 'give_genesis' : 'give_both';
    at('checked').replaceChildren(paragraph(say(missing)));
    return;
  }
  const own = ++asked;
  let shown;
  try {
    await needCryptography();
    const [genesisBytes, receiptBytes] = await Promise.all(
      [files.genesis, files.receipt].map(async (file) => new Uint8Array(await file.arrayBuffer())));
    const genesis = await readGenesis(genesisBytes);
    const read = readReceipt(receiptBytes);
    const blocks = await checkReceipt(read, genesis);
    shown = [make('p', 'verdict-line good', say('is_proved')), ...figures(read, genesis), make('ol', 'steps', ...believed(genesis, read, blocks))];
  } catch (error) {
    shown = refusal(say, error, STEPS, STEP_OF);
  }
  // A file that was chosen meanwhile is checked by a later call.
  if (own === asked) at('checked').replaceChildren(...shown);
}

function take(name, file) {
  files[name] = file ?? null;
  return check();
}

/** Which of the two a dropped file is: a receipt has an entry. */
async function kind(file) {
  return /^\s*\{\s*"entry"/.test(await file.slice(0, 64).text()) ? 'receipt' : 'genesis';
}

for (const name of ['genesis', 'receipt']) at(name).addEventListener('change', ({ target }) => take(name, target.files[0]));
at('check').addEventListener('dragover', (event) => event.preventDefault());
at('check').addEventListener('drop', async (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) {
    const name = await kind(file);
    const list = new DataTransfer();
    list.items.add(file);
    at(name).files = list.files;
    files[name] = file;
  }
  check();
});
check();
