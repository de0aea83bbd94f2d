// The node's page: sums, decisions and blocks, asked of this node and nobody else.

import { make } from './element.js';
import { amount, kwh, later, moment, nano, number, price } from './format.js';
import { offer } from './language.js';
import { TEXTS } from './page-words.js';
import { decision } from './decided.js';
import { speak, speaker } from './words.js';

const say = speaker(TEXTS);
const at = (id) => document.getElementById(id);
const PATIENCE_MS = 10_000;
const EVERY_MS = 15_000;
const SUMS = 24;
const DECISIONS = 5;
const BLOCKS = 8;

let community = null;
let status = null;
const pages = { sums: 0, decisions: 0, blocks: 0 };

async function ask(path) {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401 || answer.status === 403) throw new Error(say('not_public'));
  if (!answer.ok) throw new Error(say('answered', { status: answer.status, path }));
  return answer.json();
}

/** The numbers of a page, newest first, of things numbered from 1 on: from which on, and how many. */
function range(count, page, each) {
  const last = count - page * each;
  const first = Math.max(1, last - each + 1);
  return { first, many: Math.max(0, last - first + 1) };
}

function pager(name, count, each) {
  at(`${name}-newer`).disabled = pages[name] === 0;
  at(`${name}-older`).disabled = (pages[name] + 1) * each >= count;
}

const cell = (text, look = 'number', title = '') => Object.assign(make('td', look, text), { title });

function row(head, ...cells) {
  const name = make('th', '', head);
  name.scope = 'row';
  return make('tr', '', name, ...cells);
}

function nothing(columns, key) {
  const none = make('td', 'none', say(key));
  none.colSpan = columns;
  return make('tr', '', none);
}

const money = (nanos) => cell(amount(nanos), nanos === 0n ? 'number zero' : 'number', `${Number(nanos) / 1e9}`);
const balance = (nanos) => cell(nanos === 0n ? '0' : amount(nanos, 9), nanos === 0n ? 'number gain' : 'number bad');

function drawHead() {
  const { name, currency, members, first, settled, settlements, balances, chain, time_zone: zone } = community;
  document.title = `${name} – Voisin`;
  at('name').textContent = name;
  at('facts').textContent = say('facts', { members: number(members), currency, zone: zone ?? 'UTC' });
  at('settled').textContent = number(settlements);
  at('settled-note').textContent = settled ? say('settled_until', { interval: moment(settled, zone ?? 'UTC') })
    : say('settled_none', { interval: moment(first, zone ?? 'UTC') });
  at('members-note').textContent = say('members_note', { members: number(members) });
  for (const id of ['members', 'supplier', 'operator']) at(id).textContent = `${amount(nano(balances[id]), 2)} ${currency}`;
  const sum = nano(balances.sum);
  at('sum').textContent = sum === 0n ? say('exactly_zero') : `${amount(sum, 9)} ${currency}`;
  at('sum').classList.toggle('bad', sum !== 0n);
  at('chain').textContent = say('chain', { chain });
}

function remarks({ provisional, corrections }) {
  const said = [];
  if (provisional) said.push(say('provisional'));
  if (corrections > 0) said.push(say('corrected', { times: number(corrections) }));
  return said.join(', ');
}

async function drawSums() {
  const { first, many } = range(community.settlements, pages.sums, SUMS);
  const found = many ? await ask(`/v1/sums?from=${later(community.first, first - 1)}&limit=${many}`) : [];
  const zone = community.time_zone ?? 'UTC';
  const rows = found.toReversed().map((settled) => {
    const { interval, traded, imported, exported, gained, height } = settled;
    return row(moment(interval, zone), cell(settled.price === null ? '–' : price(settled.price)), cell(kwh(traded)), cell(kwh(imported)),
      cell(kwh(exported)), money(nano(gained.members)), money(nano(gained.supplier)), money(nano(gained.operator)),
      balance(nano(gained.sum)), cell(number(height)), cell(remarks(settled), ''));
  });
  at('sums-rows').replaceChildren(...(rows.length ? rows : [nothing(11, 'none_settled')]));
  const energy = (name) => cell(kwh(found.reduce((sum, settled) => sum + settled[name], 0)));
  const gained = (name) => found.reduce((sum, settled) => sum + nano(settled.gained[name]), 0n);
  at('sums-foot').replaceChildren(...(rows.length ? [row(say('these', { count: number(found.length) }), cell(''), energy('traded'),
    energy('imported'), energy('exported'), money(gained('members')), money(gained('supplier')), money(gained('operator')),
    balance(gained('sum')), cell(''), cell('', ''))] : []));
  pager('sums', community.settlements, SUMS);
}

async function drawDecisions() {
  const { first, many } = range(community.decisions, pages.decisions, DECISIONS);
  const found = many ? await ask(`/v1/decisions?from=${first}&limit=${many}`) : [];
  const context = { say, timeZone: community.time_zone ?? 'UTC', currency: community.currency };
  const items = found.toReversed().map((decided) => decision(decided, context));
  at('decisions').replaceChildren(...(items.length ? items : [make('li', 'none', say('none_decided'))]));
  pager('decisions', community.decisions, DECISIONS);
}

async function drawBlocks() {
  const { first, many } = range(status.height, pages.blocks, BLOCKS);
  const heights = Array.from({ length: many }, (_, index) => first + many - 1 - index);
  const blocks = await Promise.all(heights.map((height) => ask(`/v1/blocks/${height}`)));
  const rows = blocks.map(({ block, header, certificate }) =>
    row(number(header.height), cell(block, 'hash'), cell(header.state.hash, 'hash'), cell(header.validators, 'hash'),
      cell(number(certificate.signatures.length))));
  at('blocks-rows').replaceChildren(...(rows.length ? rows : [nothing(5, 'no_block')]));
  pager('blocks', status.height, BLOCKS);
}

const DRAWN = { sums: drawSums, decisions: drawDecisions, blocks: drawBlocks };

/** Does what asks the node; says where it does not answer, and that what is shown is of before. */
async function attempt(work) {
  try {
    await work();
    at('alarm').hidden = true;
    document.body.classList.remove('stale');
  } catch (error) {
    const isAway = error instanceof TypeError || error.name === 'TimeoutError';
    const text = isAway ? say(community ? 'gone' : 'never_answered') : error.message;
    // What stays true is said aloud once.
    if (at('alarm').hidden || at('alarm').textContent !== text) at('alarm').textContent = text;
    at('alarm').hidden = false;
    document.body.classList.add('stale');
  }
}

async function refresh() {
  const before = [community?.settlements, community?.decisions, status?.height];
  [community, status] = await Promise.all([ask('/v1/community'), ask('/v1/status')]);
  drawHead();
  // What somebody leafed back to stays in front of them.
  const changed = [community.settlements, community.decisions, status.height].map((count, index) => count !== before[index]);
  const names = Object.keys(DRAWN).filter((name, index) => changed[index] && (pages[name] === 0 || before[index] === undefined));
  await Promise.all(names.map((name) => DRAWN[name]()));
}

function turn(name, by) {
  pages[name] = Math.max(0, pages[name] + by);
  attempt(DRAWN[name]);
}

async function live() {
  await attempt(refresh);
  at('main').setAttribute('aria-busy', 'false');
  setTimeout(live, EVERY_MS);
}

speak(say);
offer();
for (const name of Object.keys(DRAWN)) {
  for (const [button, by] of [['older', 1], ['newer', -1]]) {
    at(`${name}-${button}`).disabled = true;
    at(`${name}-${button}`).addEventListener('click', () => turn(name, by));
  }
}
live();
