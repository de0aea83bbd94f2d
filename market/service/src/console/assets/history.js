// A day of the ledger: by its date, in the community's time with UTC beside it, numbers as the reader writes them.

import { nano, plain } from './format.js';

const at = (id) => document.getElementById(id);
const numbers = new Map();

/** A number as the browser's reader writes it. */
function number(value, digits) {
  if (!numbers.has(digits)) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    numbers.set(digits, new Intl.NumberFormat(navigator.languages, options));
  }
  return numbers.get(digits).format(value);
}

const kwh = (wh) => number(wh / 1000, 2);
const money = (text) => number(Number(nano(text)) / 1e9, 2);
const small = (text) => number(Number(nano(text)) / 1e9, 4);

const SAYS = {
  before_genesis: 'The community had not begun on this day: there is nothing on the ledger.',
  not_yet: 'Nothing of this day is settled yet.',
  running: 'This day is not over, or not all settled: more will come.',
  whole: 'All of this day is settled.',
};

/** The date so many days from another. */
function moved(date, days) {
  const day = new Date(`${date}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + days);
  return day.toISOString().slice(0, 10);
}

function remarks({ provisional, corrections }) {
  const said = [];
  if (provisional) said.push('provisional');
  if (corrections > 0) said.push(`corrected ${corrections === 1 ? 'once' : `${corrections} times`} since; as first settled here`);
  return said.join(', ');
}

function row(interval) {
  const made = document.createElement('tr');
  const local = interval.local.slice(11, 16);
  const cells = [
    `${local} (${interval.local.slice(19)})`, `${interval.start.slice(11, 16)}Z`,
    interval.price === null ? '–' : small(interval.price), kwh(interval.traded_wh), kwh(interval.imported_wh),
    kwh(interval.exported_wh), small(interval.operator), small(interval.saved), remarks(interval),
  ];
  cells.forEach((text, column) => {
    const cell = document.createElement(column === 0 ? 'th' : 'td');
    if (column === 0) cell.scope = 'row';
    if (column >= 2 && column <= 7) cell.className = 'number';
    cell.textContent = text;
    made.append(cell);
  });
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Bars: what was traded and drawn upwards, what was fed in downwards. */
function draw({ intervals, expected, start }) {
  const up = Math.max(1, ...intervals.map((one) => one.traded_wh + one.imported_wh));
  const down = Math.max(0, ...intervals.map((one) => one.exported_wh));
  const minutes = (Date.parse(intervals.at(1)?.start ?? 0) - Date.parse(intervals[0].start)) / 60_000;
  const place = (one) => (intervals.length > 1 ? (Date.parse(one.start) - Date.parse(start)) / 60_000 / minutes : 0);
  const bars = at('bars');
  bars.setAttribute('viewBox', `0 0 ${expected} ${up + down}`);
  bars.replaceChildren(...intervals.flatMap((one) => {
    const bar = (className, y, height) => shape('rect', { class: className, x: place(one) + 0.08, width: 0.84, y, height });
    return [
      bar('traded', up - one.traded_wh, one.traded_wh),
      bar('imported', up - one.traded_wh - one.imported_wh, one.imported_wh),
      bar('exported', up, one.exported_wh),
    ];
  }), shape('line', { class: 'zero', x1: 0, x2: expected, y1: up, y2: up }));
  at('axis-from').textContent = 'midnight';
  at('axis-most').textContent = `highest bar ${kwh(up)} kWh`;
  at('axis-to').textContent = 'midnight';
}

function show(day) {
  const empty = day.intervals.length === 0;
  at('date').value = day.date;
  at('said').className = 'note';
  at('said').textContent = `${SAYS[day.extent]} ${number(day.intervals.length, 0)} of ${number(day.expected, 0)} intervals, `
    + `by the clock of ${day.time_zone}: from ${day.start} to ${day.end}.`;
  for (const id of ['sums', 'energy', 'table']) at(id).hidden = empty;
  at('csv').hidden = empty;
  at('csv').href = `/api/v1/days/${day.date}/csv`;
  at('zone').textContent = `Time, ${day.time_zone}`;
  at('saved').textContent = money(day.sums.saved);
  at('operator').textContent = money(day.sums.operator);
  for (const part of ['traded', 'imported', 'exported']) at(part).textContent = kwh(day.sums[`${part}_wh`]);
  at('rows').replaceChildren(...day.intervals.map(row));
  if (!empty) draw(day);
}

function fail(reason) {
  at('said').className = 'failed';
  at('said').textContent = `This day cannot be shown: ${reason}`;
  for (const id of ['sums', 'energy', 'table', 'csv']) at(id).hidden = true;
}

let asked = 0;

/** Asks for a day. An answer that comes after another question is dropped. */
async function load(date) {
  asked += 1;
  const turn = asked;
  at('main').ariaBusy = 'true';
  at('said').className = 'note';
  at('said').textContent = 'Loading…';
  try {
    const answer = await fetch(`/api/v1/days/${encodeURIComponent(date)}`);
    const body = await answer.json();
    if (turn !== asked) return;
    if (answer.ok) show(body); else fail(body.error);
  } catch {
    if (turn === asked) fail('the market does not answer; try again');
  }
  at('main').ariaBusy = 'false';
}

function go(date) {
  history.pushState(null, '', `/history?date=${encodeURIComponent(date)}`);
  at('date').value = date;
  load(date);
}

const wanted = () => new URLSearchParams(location.search).get('date') ?? 'latest';

at('pick').addEventListener('submit', (event) => { event.preventDefault(); go(at('date').value); });
for (const [id, days] of [['before', -1], ['after', 1]]) {
  at(id).addEventListener('click', () => { if (at('date').value) go(moved(at('date').value, days)); });
}
addEventListener('popstate', () => load(wanted()));
if (wanted() !== 'latest') at('date').value = wanted();
load(wanted());
fetch('/api/v1/community').then((answer) => answer.json()).then(({ currency }) => {
  for (const unit of document.querySelectorAll('[data-unit=currency]')) unit.textContent = plain(currency);
}).catch(() => {});
