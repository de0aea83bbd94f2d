// A household's month, a line a day: what it bought, sold and saved.

import { number } from './format.js';
import { language } from './words.js';
import { ask, at, day as written, kwh, money, monthName, row, say } from './history-parts.js';

function remarks({ settled, read, provisional, corrected }) {
  const said = [];
  if (read < settled) said.push(say('read_of', { read: number(read), settled: number(settled) }));
  if (provisional > 0) said.push(say('provisional_count', { count: number(provisional) }));
  if (corrected > 0) said.push(say('corrected_count', { count: number(corrected) }));
  return said.join(', ');
}

const line = (name, of) => row([
  name, kwh(of.bought_wh), kwh(of.sold_wh), kwh(of.imported_wh), kwh(of.exported_wh), money(of.net), money(of.saved), remarks(of),
], (column) => column >= 1 && column <= 6);

let asked = 0;

async function show(member, month) {
  asked += 1;
  const turn = asked;
  at('household-said').textContent = say('loading');
  const path = `/api/v1/households/${encodeURIComponent(member)}/months/${encodeURIComponent(month)}`;
  try {
    const found = await ask(path);
    if (turn !== asked) return;
    const empty = found.days.length === 0;
    at('household-days').hidden = empty;
    at('household-csv').hidden = empty;
    at('household-csv').href = `${path}/days.csv`;
    at('household-said').textContent = empty ? say('month_none') : say('month_of', {
      name: found.name ?? found.member, month: monthName(found.month), zone: found.time_zone, count: number(found.days.length),
    });
    at('household-rows').replaceChildren(...found.days.map((of) => line(written(of.date), of)));
    at('household-sums').replaceChildren(line(say('total'), found.sums));
  } catch (error) {
    if (turn !== asked) return;
    for (const id of ['household-days', 'household-csv']) at(id).hidden = true;
    at('household-said').textContent = say('failed', { reason: error.message });
  }
}

/** Every household that the console lists, page by page. */
async function households() {
  const all = [];
  for (let offset = 0; offset !== null;) {
    const page = await ask(`/api/v1/households?offset=${offset}`);
    all.push(...page.households);
    offset = page.next;
  }
  return all;
}

/** Offers the households, and the month of a day. */
export function offerMonth(date) {
  if (!at('month').value) at('month').value = date.slice(0, 7);
}

at('whose').addEventListener('submit', (event) => { event.preventDefault(); show(at('member').value, at('month').value); });
const all = households();
/** Whether somebody is connected to a grid; where nobody knows, somebody may be. */
export const gridded = all.then((listed) => listed.some(({ bus }) => bus !== null)).catch(() => true);
const byName = new Intl.Collator(language, { numeric: true }).compare;

/** What members are called, once the households are listed; who is not listed, by its pseudonym. */
export const names = all.then((listed) => {
  const sorted = listed.toSorted((a, b) => byName(a.name, b.name));
  at('member').replaceChildren(...sorted.map(({ member, name }) => new Option(name, member)));
  const named = new Map(listed.map(({ member, name }) => [member, name]));
  return (member) => named.get(member) ?? member;
}).catch((error) => {
  at('household-said').textContent = say('failed', { reason: error.message });
  return (member) => member;
});
