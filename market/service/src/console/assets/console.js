// The operator's console: fetches the market's state once, then follows its events.

import { ask } from './ask.js';
import { curvesText, drawCurves, drawHistory, keyed } from './charts.js';
import { clock, day, decimals, energy, kwh, moment, money, nano, number, price } from './format.js';
import { drawHealth } from './health.js';
import { drawGrid, heaviest, loading } from './map.js';
import { drawShares } from './mechanism.js';
import { paced } from './paced.js';
import { begin, count, say } from './say.js';
import { drawAccounts, drawNoted, drawRefusals, drawValidators, Households } from './tables.js';

const INTERVALS_KEPT = 2000;
const DETAILS_KEPT = 200; // as many as the market keeps
const RETRY_MS = 3000;

const at = (id) => document.getElementById(id);
const put = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

let community = null;
let status = null;
let statusAt = 0;
let connected = null; // whether the market's events come in; null before the first attempt has ended
let intervals = [];
let details = 0;
let chosen = null; // start of the interval looked at; null follows the latest
let scope = 'total';
let span = 96;
let view = null; // curves of the interval looked at
let shown = { scope, start: null, households: [] }; // the table, and what it is of
let of = []; // households in the interval looked at, where they are drawn
const table = new Households(() => { if (status) drawHouseholds(); });

// What goes wrong is told, not hidden in a log.
const problems = new Map();
function problem(where, text) {
  if (text === null) problems.delete(where);
  else problems.set(where, text);
  drawAlarm();
}
addEventListener('error', (event) => problem('page', say('fault', { reason: event.message })));
addEventListener('unhandledrejection', (event) => problem('page', say('fault', { reason: event.reason?.message ?? event.reason })));

async function get(path) {
  const answer = await ask(path);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(say('not_answered', { path, status: answer.status }));
  return answer.json();
}

/** Nothing more is on its way: the page shows what there is, or says why not. */
const rest = () => at('main').setAttribute('aria-busy', 'false');

/** Tells under `name` why the figures could not be shown. */
const tell = (name) => (reason) => {
  problem(name, reason === null ? null : say('not_shown', { reason }));
  if (reason !== null) rest();
};

// --- what is shown ---------------------------------------------------------------------------------------------

const looked = () => chosen ?? intervals.at(-1)?.start ?? null;
const detailed = () => intervals.slice(-details);

function drawCommunity() {
  const { community: name, chain, mechanism, currency, retail_price: retail, feed_in_price: feedIn, members, rules_from: from } = community;
  put('community', name);
  document.title = `${name} · ${say('brand')}`;
  const fact = (label, value, title = '') => {
    const span = document.createElement('span');
    const strong = document.createElement('b');
    strong.textContent = value;
    if (title) span.title = title;
    span.append(`${label} `, strong);
    return span;
  };
  const since = say('in_force', { from: moment(from.split('/')[0]) });
  at('facts').replaceChildren(
    fact(say('households'), number(members)), fact(say('mechanism'), mechanism, since), fact(say('retail'), price(retail), since),
    fact(say('feed_in'), `${price(feedIn)} ${currency}/kWh`, since), fact(say('chain'), chain.slice(0, 12), chain));
  document.querySelectorAll('[data-unit]').forEach((unit) => {
    unit.textContent = unit.dataset.unit === 'price' ? `${currency}/kWh` : currency;
  });
  table.units(currency);
}

function drawStatus() {
  const { totals, readings_received: received, readings_expected: expected } = status;
  const readings = at('readings');
  readings.hidden = status.phase !== 'open';
  if (status.phase === 'open') {
    put('open-label', say('open_interval'));
    put('open', `${clock(status.open)}Z`);
    at('open').dateTime = status.open;
    put('open-note', say('read_so_far', { date: day(status.open), received: number(received), expected: number(expected) }));
    readings.max = Math.max(expected, 1);
    readings.value = received;
  } else if (status.phase === 'running') {
    put('open-label', say('running_interval'));
    put('open', `${clock(status.open)}Z`);
    at('open').dateTime = status.open;
    const end = new Date(Date.parse(status.open) + community.interval_minutes * 60_000).toISOString();
    put('open-note', say('read_at', { date: day(status.open), end: `${clock(end)}Z` }));
  } else if (status.phase === 'finished') {
    put('open-label', say('market'));
    put('open', say('finished'));
    at('open').removeAttribute('datetime');
    put('open-note', status.last ? say('up_to', { end: moment(status.last.end) }) : say('nothing_settled'));
  }

  if (status.last_price) {
    put('price', price(status.last_price.price));
    at('price').value = status.last_price.price;
    put('price-note', say('in_interval', { start: moment(status.last_price.start) }));
  } else {
    put('price-note', totals === null ? UNKNOWN : say('no_trade_yet'));
  }
  drawTotals(totals);
  drawValidators(status.validators, performance.now() - statusAt);
  at('sign-out').hidden = !community.sign_in;
  drawAccounts(totals, community.currency);
  drawRefusals(status.refusals);
  drawNoted(status.noted);
  showHealth();
}

const UNKNOWN = say('ledger_silent');

function drawTotals(totals) {
  const figure = (id, text, value, note) => {
    put(id, text);
    at(id).value = value;
    put(`${id}-note`, note);
  };
  at('main').classList.toggle('unknown', totals === null);
  if (totals === null) {
    ['traded', 'supplier', 'settled'].forEach((id) => figure(id, '–', '', UNKNOWN));
    put('traded-unit', '');
    if (status.phase === 'starting') put('open-note', UNKNOWN);
    return;
  }
  if (status.phase === 'starting') put('open-note', say('waiting_interval'));
  const traded = energy(totals.traded_wh);
  const drawn = totals.traded_wh + totals.imported_wh;
  const share = drawn > 0 ? say('share_of_demand', { share: number((100 * totals.traded_wh) / drawn, 1) }) : say('nothing_drawn');
  figure('traded', traded.text, totals.traded_wh, share);
  put('traded-unit', traded.unit);
  const [from, to] = [energy(totals.imported_wh), energy(totals.exported_wh)];
  figure('supplier', money(nano(totals.supplier), 2), totals.supplier, say('from_to', { from: `${from.text} ${from.unit}`, to: `${to.text} ${to.unit}` }));
  figure('settled', number(totals.intervals), totals.intervals, count('receipts', totals.receipts_forwarded));
}

const showHealth = () => drawHealth(status, performance.now() - statusAt, connected);

function drawAlarm() {
  const text = [...problems.values()].join(' ');
  put('alarm', text);
  at('alarm').hidden = text === '';
}

function drawPicker() {
  const select = at('interval');
  const choices = detailed();
  at('picker').hidden = choices.length === 0;
  const known = select.options.length;
  if (known !== choices.length || select.options[0]?.value !== choices.at(-1)?.start) {
    select.replaceChildren(...[...choices].reverse().map((interval) => new Option(moment(interval.start), interval.start)));
  }
  const start = looked();
  if (start !== null) select.value = start;
  const place = choices.findIndex((interval) => interval.start === start);
  at('previous').disabled = place <= 0;
  at('next').disabled = place < 0 || place === choices.length - 1;
  at('latest').setAttribute('aria-pressed', String(chosen === null));
}

function drawCrossing() {
  const { interval, curves } = view;
  const { currency } = community;
  const pair = (label, text) => {
    const box = document.createElement('div');
    const term = document.createElement('dt');
    const value = document.createElement('dd');
    term.textContent = label;
    value.textContent = text;
    box.append(term, value);
    return box;
  };
  const sum = (steps) => steps.reduce((total, step) => total + step.energy_wh, 0);
  const pairs = [pair(say('traded'), `${kwh(interval.traded_wh, 3)} kWh`)];
  if (interval.price !== null) pairs.push(pair(say('price'), `${price(interval.price)} ${currency}/kWh`));
  else if (interval.average_price !== null) pairs.push(pair(say('average_price'), `${price(interval.average_price)} ${currency}/kWh`));
  if (curves) {
    pairs.push(pair(say('asked_for'), `${kwh(sum(curves.demand), 3)} kWh`), pair(say('offered'), `${kwh(sum(curves.supply), 3)} kWh`));
  }
  at('crossing').replaceChildren(...pairs);
}

const LOADING = say('loading'); // as the page says before the market has answered
const NONE_SETTLED = say('waiting_settled');

/** Says over a chart why nothing is drawn. */
function blank(chart, why) {
  put(`${chart}-empty`, why);
  at(`${chart}-empty`).hidden = false;
}

/** Draws a chart. What is said over it stays until it is there: a library may be on its way, or lost. */
async function uncover(chart, draw) {
  put(`${chart}-empty`, LOADING);
  await draw();
  at(`${chart}-empty`).hidden = true;
}

/** Whether there are curves to draw of the interval looked at. */
const hasCurves = () => Boolean(view?.curves) && view.curves.demand.length + view.curves.supply.length > 0;

let first = null; // settled when the first picture of this page is there, or is not to be had

/** Shows the curves as the market draws them, before anything is fetched that draws better. */
function showFirst() {
  const image = at('curves-first');
  first ??= new Promise((resolve) => {
    image.addEventListener('load', () => {
      image.hidden = false;
      at('curves-empty').hidden = true;
      performance.mark('first-picture');
      resolve();
    });
    image.addEventListener('error', resolve);
    image.alt = curvesText(view, community.currency);
    image.src = `/api/v1/intervals/${view.interval.start}/curves.svg`;
  });
  return first;
}

async function drawCurvesCard() {
  if (view === null) {
    blank('curves', intervals.length === 0 ? NONE_SETTLED : say('not_kept'));
    at('crossing').replaceChildren();
    return;
  }
  drawCrossing();
  if (!view.curves) blank('curves', say('before_start'));
  else if (!hasCurves()) blank('curves', say('nothing_asked'));
  else await uncover('curves', () => drawCurves(at('curves'), view, community.currency));
  at('curves-first').hidden = true;
}

/** The grid, and who got how much by a key: of mechanisms and communities that have them. */
async function drawMechanismCard() {
  const grid = view?.grid ?? [];
  const shares = view !== null && keyed(view);
  at('mechanism').hidden = grid.length === 0 && !shares;
  at('grid-card').hidden = grid.length === 0;
  at('shares-card').hidden = !shares;
  if (grid.length > 0) {
    const most = heaviest(grid);
    const what = say(grid.some((bus) => bus.price !== null) ? 'nodal_and_loading' : 'line_loading');
    put('grid-note', most === null ? what : say('most_on', { what, line: most.line, percent: number(100 * loading(most), 1) }));
    drawGrid(view, shown.households, community.currency);
  }
  if (shares) {
    const left = await drawShares(at('shares'), of, view);
    put('shares-note', left > 0 ? count('shares_left', left, { mechanism: view.mechanism }) : view.mechanism);
  }
}

async function drawHistoryCard() {
  const shown = span === 0 ? intervals : intervals.slice(-Math.round((span * 15) / community.interval_minutes));
  if (shown.length === 0) blank('history', NONE_SETTLED);
  else await uncover('history', () => drawHistory(at('history'), shown, community, looked(), choose));
}

function drawHouseholds() {
  const total = shown.scope === 'total';
  const { totals } = status;
  const most = Math.max(0, ...shown.households.flatMap((of) => [of.bought_wh, of.sold_wh, of.imported_wh, of.exported_wh]));
  const digits = total ? { energy: decimals(most), money: 2 } : { energy: 3, money: 4 };
  const found = table.draw(shown.households, digits, totals !== null);
  const over = shown.start === null && !total ? say('no_interval_yet') : !total ? say('in_interval', { start: moment(shown.start) })
    : totals === null ? say('nothing_known') : count('over', totals.intervals);
  put('households-note', `${count('members', found)}, ${over}`);
}

// --- what is fetched -------------------------------------------------------------------------------------------

async function fetchHouseholds(start) {
  const rows = [];
  for (let offset = 0; offset !== null;) {
    const of = start === null ? '' : `&interval=${start}`;
    const page = await get(`/api/v1/households?offset=${offset}${of}`);
    rows.push(...(page?.households ?? []));
    offset = page?.next ?? null;
  }
  return rows;
}

/** Lets each of `cards` be drawn, whatever becomes of the others; throws what went wrong. */
async function drawAll(cards) {
  const drawn = await Promise.allSettled(cards.map((draw) => draw()));
  const failed = drawn.filter(({ status: outcome }) => outcome === 'rejected').map(({ reason }) => reason.message);
  if (failed.length > 0) throw new Error([...new Set(failed)].join('; '));
}

/** Brings charts and households up to date with the interval looked at. */
const refresh = paced(async () => {
  if (community === null) return;
  drawPicker();
  // Somebody may choose something else while these are on their way.
  const asked = { scope, start: looked() };
  const { start } = asked;
  const [curves, households] = await Promise.all([
    start === null ? null : get(`/api/v1/intervals/${start}/curves`),
    asked.scope === 'interval' && start === null ? [] : fetchHouseholds(asked.scope === 'total' ? null : start),
  ]);
  view = curves;
  shown = { ...asked, households };
  // The lines of the interval, where the mechanism's picture is of them.
  if (view === null || !keyed(view)) of = [];
  else of = asked.scope === 'interval' ? households : await fetchHouseholds(start);
  drawHouseholds();
  if (!document.hidden && hasCurves()) await showFirst();
  if (!document.hidden) await drawAll([drawCurvesCard, drawHistoryCard, drawMechanismCard]);
  rest();
}, tell('draw'));

const load = paced(async () => {
  const state = await get('/api/v1/state');
  ({ community, status, intervals, details } = state);
  statusAt = performance.now();
  if (!intervals.some((interval) => interval.start === chosen)) chosen = null;
  drawCommunity();
  drawStatus();
  refresh(true);
}, tell('load'));

function listen() {
  const events = new EventSource('/api/v1/events');
  const heard = (is) => { connected = is; showHealth(); };
  events.addEventListener('open', () => { heard(true); load(); });
  events.addEventListener('error', () => {
    heard(false);
    // The browser reconnects by itself unless the server refused outright.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
  });
  events.addEventListener('status', (event) => {
    if (community === null) return;
    status = JSON.parse(event.data);
    statusAt = performance.now();
    drawStatus();
  });
  events.addEventListener('intervals', (event) => {
    if (community === null) return;
    const known = intervals.at(-1)?.start ?? '';
    const added = JSON.parse(event.data).filter((interval) => interval.start > known);
    intervals = [...intervals, ...added].slice(-INTERVALS_KEPT);
    details = Math.min(details + added.length, DETAILS_KEPT);
    refresh();
  });
  events.addEventListener('refetch', () => load());
}

// --- what the operator does ------------------------------------------------------------------------------------

function choose(start) {
  const found = detailed().find((interval) => Date.parse(interval.start) === Date.parse(/Z$/.test(start) ? start : `${start.replace(' ', 'T')}Z`));
  if (!found) return;
  chosen = found === intervals.at(-1) ? null : found.start;
  refresh(true);
}

function step(by) {
  const choices = detailed();
  const place = choices.findIndex((interval) => interval.start === looked());
  const to = choices[place + by];
  if (to) choose(to.start);
}

at('previous').addEventListener('click', () => step(-1));
at('next').addEventListener('click', () => step(1));
at('latest').addEventListener('click', () => { chosen = null; refresh(true); });
at('interval').addEventListener('change', (event) => choose(event.target.value));
at('filter').addEventListener('input', (event) => table.find(event.target.value));
at('show-more').addEventListener('click', () => table.more());
addEventListener('beforeprint', () => table.whole());

function pressOne(buttons, pressed) {
  buttons.forEach((button) => button.setAttribute('aria-pressed', String(button === pressed)));
}
const scopes = document.querySelectorAll('[data-scope]');
scopes.forEach((button) => button.addEventListener('click', () => {
  scope = button.dataset.scope;
  pressOne(scopes, button);
  refresh(true);
}));
const spans = document.querySelectorAll('[data-span]');
spans.forEach((button) => button.addEventListener('click', () => {
  span = Number(button.dataset.span);
  pressOne(spans, button);
  refresh(true);
}));

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => refresh(true));
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(true); });
setInterval(() => {
  showHealth();
  if (status) drawValidators(status.validators, performance.now() - statusAt);
}, 1000);

begin();
listen();
