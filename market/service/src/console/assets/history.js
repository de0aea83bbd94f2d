// A day of the ledger: by its date, in the community's time with UTC beside it, numbers as the reader writes them.

import { number, price } from './format.js';
import { drawDay } from './history-charts.js';
import { names, offerMonth } from './history-household.js';
import { showDecisions } from './history-decisions.js';
import { hideInterval, showInterval } from './history-interval.js';
import { hideLines, offerLines, redrawLines } from './history-lines.js';
import { ask, at, day as written, kwh, money, row, say, small, wall } from './history-parts.js';
import { speak } from './words.js';

/** The date so many days from another. */
function moved(date, days) {
  const day = new Date(`${date}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + days);
  return day.toISOString().slice(0, 10);
}

const EXTENTS = {
  before_genesis: () => say('extent_before'),
  not_yet: () => say('extent_none'),
  running: (counts) => say('extent_running', counts),
  whole: (counts) => say('extent_whole', counts),
};

/** How much of the day there is, and why it is no more. */
function extent(day) {
  const { expected, before_genesis: before, intervals } = day;
  const counts = { settled: number(intervals.length), expected: number(expected - before) };
  const corrected = intervals.filter((one) => one.first !== null).length;
  const said = [EXTENTS[day.extent](counts)];
  if (before > 0 && before < expected) said.push(before === 1 ? say('before_one') : say('before_many', { count: number(before) }));
  said.push(say('clock', { zone: day.time_zone, start: day.start, end: day.end }));
  if (corrected > 0) said.push(say('corrected_intervals', { count: number(corrected) }));
  return said.join(' ');
}

function remarks({ provisional }, corrections) {
  const said = [];
  if (provisional) said.push(say('provisional'));
  if (corrections > 0) said.push(corrections === 1 ? say('corrected_once') : say('corrected_often', { count: number(corrections) }));
  return said.join(', ');
}

const figures = (booked) => [
  booked.price === null ? '–' : price(booked.price), kwh(booked.traded_wh), kwh(booked.imported_wh), kwh(booked.exported_wh),
  small(booked.operator), small(booked.saved),
];

function rows(interval) {
  const numbers = (column) => column >= 2 && column <= 7;
  const utc = `${interval.start.slice(11, 16)}Z`;
  const open = document.createElement('button');
  open.type = 'button';
  open.className = 'of';
  open.textContent = wall(interval.local);
  open.title = say('show_interval', { time: wall(interval.local) });
  open.addEventListener('click', () => showInterval(interval, currency));
  const made = [row([open, utc, ...figures(interval), remarks(interval, interval.corrections)], numbers)];
  if (interval.first !== null) {
    const was = row([say('first_settled'), utc, ...figures(interval.first), remarks(interval.first, 0)], numbers);
    was.className = 'was';
    made.push(was);
  }
  return made;
}

const SUMS = [
  ['saved', 'saved', money], ['operator', 'operator', money], ['traded', 'traded_wh', kwh], ['imported', 'imported_wh', kwh],
  ['exported', 'exported_wh', kwh],
];

let currency = '';
let shown = null; // the day, and the one beside it

function show(day, other) {
  shown = { day, other };
  const empty = day.intervals.length === 0;
  at('date').value = day.date;
  at('beside').value = other?.date ?? '';
  at('said').className = 'note';
  at('said').textContent = extent(day);
  for (const id of ['sums', 'energy', 'table']) at(id).hidden = empty;
  at('csv').href = `/api/v1/days/${day.date}/intervals.csv`;
  at('csv-beside').hidden = other === null;
  if (other !== null) {
    at('csv-beside').href = `/api/v1/days/${other.date}/intervals.csv`;
    at('csv-beside').textContent = say('csv_of', { date: written(other.date) });
  }
  at('zone').textContent = say('time', { zone: day.time_zone });
  for (const [id, key, text] of SUMS) {
    const notes = [];
    if (day.first_sums !== null && day.first_sums[key] !== day.sums[key]) notes.push(say('was', { value: text(day.first_sums[key]) }));
    if (other !== null) notes.push(say('other', { date: written(other.date), value: text(other.sums[key]) }));
    at(id).textContent = text(day.sums[key]);
    at(`${id}-note`).textContent = notes.join('; ');
  }
  at('rows').replaceChildren(...day.intervals.flatMap(rows));
  hideInterval();
  offerLines(day);
  offerMonth(day.date);
  return draw();
}

/** The chart comes last: what it is drawn with is large. */
async function draw() {
  if (shown === null || shown.day.intervals.length === 0) return;
  const { day, other } = shown;
  try {
    await drawDay(at('chart'), day, other, currency);
    at('chart-empty').hidden = true;
  } catch (error) {
    at('chart-empty').hidden = false;
    at('chart-empty').textContent = say('chart_failed', { reason: error.message });
  }
}

function fail(reason) {
  shown = null;
  at('said').className = 'failed';
  at('said').textContent = say('failed', { reason });
  for (const id of ['sums', 'energy', 'table']) at(id).hidden = true;
  hideInterval();
  hideLines();
}

let asked = 0;

/** Asks for a day, and perhaps for another beside it. An answer that comes after another question is dropped. */
async function load({ date, beside }) {
  asked += 1;
  const turn = asked;
  at('main').setAttribute('aria-busy', 'true');
  at('said').className = 'note';
  at('said').textContent = say('loading');
  const days = (of) => ask(`/api/v1/days/${encodeURIComponent(of)}`);
  try {
    const day = await days(date);
    const other = beside === null ? null : await days(beside);
    if (turn === asked) await show(day, other);
  } catch (error) {
    if (turn === asked) fail(error.message);
  }
  if (turn === asked) at('main').setAttribute('aria-busy', 'false');
}

function go(date) {
  const wanted = new URLSearchParams({ date });
  if (at('beside').value) wanted.set('beside', at('beside').value);
  history.pushState(null, '', `/history?${wanted}`);
  at('date').value = date;
  load(address());
}

function address() {
  const wanted = new URLSearchParams(location.search);
  return { date: wanted.get('date') ?? 'latest', beside: wanted.get('beside') };
}

speak(say);
document.title = say('page_title');
at('pick').addEventListener('submit', (event) => { event.preventDefault(); go(at('date').value); });
for (const [id, days] of [['before', -1], ['after', 1]]) {
  at(id).addEventListener('click', () => { if (at('date').value) go(moved(at('date').value, days)); });
}
addEventListener('popstate', () => load(address()));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { draw(); redrawLines(); });
if (address().date !== 'latest') at('date').value = address().date;
const community = ask('/api/v1/community').then(({ currency: named }) => {
  currency = named;
  for (const unit of document.querySelectorAll('[data-unit=currency]')) unit.textContent = named;
  return draw();
}).catch(() => {}); // the day says that the market is away
// The ledger answers one question at a time: the day first.
load(address()).then(() => Promise.all([names, community])).then(([named]) => showDecisions(named, currency));
