// The page for authorities: how the community is after the last settled interval, and how old each figure is.

import { make } from './element.js';
import { kwh, moment, number, parsed } from './format.js';
import { offer } from './language.js';
import { TEXTS } from './situation-words.js';
import { language, speak, speaker } from './words.js';

const say = speaker(TEXTS);
const at = (id) => document.getElementById(id);
const PATIENCE_MS = 10_000;
const AGAIN_MS = 15_000;
/** Settled so many of its own lengths after its end, an interval is late. */
const LATE_LENGTHS = 2;
const TOKEN = 'voisin-authority-token';
const CARDS = ['state', 'tiles', 'classes', 'buses', 'darkness', 'forward'];

let shown = null;
let timer = null;

function token() {
  try {
    return sessionStorage.getItem(TOKEN) ?? '';
  } catch {
    return ''; // no storage is allowed here
  }
}

const ask = (path) => fetch(path, {
  cache: 'no-store',
  signal: AbortSignal.timeout(PATIENCE_MS),
  headers: token() ? { Authorization: `Bearer ${token()}` } : {},
});

function alarm(text) {
  at('alarm').textContent = text;
  at('alarm').hidden = text === '';
}

const zone = () => shown?.time_zone ?? 'UTC';
const when = (interval) => moment(interval, zone());
const beginning = (interval) => new Intl.DateTimeFormat(language, { timeZone: zone(), dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' }).format(parsed(interval).start);

/** So long ago, in whole minutes, hours or days. */
function ago(milliseconds) {
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'always' });
  const minutes = Math.max(0, Math.round(milliseconds / 60_000));
  if (minutes < 120) return relative.format(-minutes, 'minute');
  const hours = Math.round(minutes / 60);
  return hours < 48 ? relative.format(-hours, 'hour') : relative.format(-Math.round(hours / 24), 'day');
}

const end = (interval) => parsed(interval).start + parsed(interval).minutes * 60_000;

/** So many minutes, as hours where they are many. */
function lasting(minutes) {
  const unit = (value, name, digits) => new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'long', maximumFractionDigits: digits }).format(value);
  return minutes < 120 ? unit(minutes, 'minute', 0) : unit(minutes / 60, 'hour', 1);
}

const cell = (text, className = '') => make('td', className, text);
const head = (text) => {
  const name = make('th', '', text);
  name.scope = 'row';
  return name;
};

/** Class by class, of the next interval with a plan; else of the last that was settled. */
function sums() {
  const [planned] = shown.planned;
  if (planned) return { classes: planned.classes, note: say('planned_for', { interval: when(planned.interval), available: kwh(planned.available_wh) }) };
  if (!shown.served) return null;
  return { classes: shown.served.classes, note: say('served_in', { interval: when(shown.settled) }) };
}

const isCritical = ({ class: name }) => name === 'life_safety' || name === 'critical';
const open = ({ claimed, awarded }) => claimed - awarded;

function showState(unserved) {
  const { island, dark, settled } = shown;
  const isLate = settled && Date.now() - end(settled) > (LATE_LENGTHS + 1) * parsed(settled).minutes * 60_000;
  const isSevere = unserved > 0 || dark.some(({ critical }) => critical);
  at('state').className = `state${island?.is_on ? ' on-island' : ''}${isSevere && island ? ' severe' : ''}`;
  const said = [];
  if (!island) at('state-title').textContent = say('on_grid');
  else at('state-title').textContent = say(island.is_on ? 'on_island' : 'island_declared', { from: beginning(island.from) });
  if (island) said.push(say(island.by_itself ? 'began_by_itself' : 'began_by_decision'));
  if (island?.until) said.push(say('until', { until: beginning(island.until) }));
  said.push(settled ? say('figures_of', { interval: when(settled), ago: ago(Date.now() - end(settled)) }) : say('nothing_settled'));
  if (isLate) said.push(say('late'));
  at('state-text').textContent = said.join(' ');
  document.body.classList.toggle('stale', Boolean(isLate));
}

function showTiles(found) {
  const critical = found ? found.classes.filter(isCritical) : [];
  const missing = critical.reduce((sum, row) => sum + open(row), 0);
  const claimed = critical.reduce((sum, row) => sum + row.claimed, 0);
  const sumOf = (name) => shown.buses.reduce((sum, bus) => sum + bus[name], 0);
  const devices = sumOf('devices');
  at('autonomy').textContent = shown.autonomy_minutes === null ? say('covered') : lasting(shown.autonomy_minutes);
  at('autonomy-note').textContent = shown.autonomy_minutes === null ? say('covered_note') : say('autonomy_note');
  at('unserved').textContent = found ? say('kwh', { kwh: kwh(missing) }) : '–';
  at('unserved').className = `figure ${missing > 0 ? 'bad' : found ? 'good' : ''}`;
  at('unserved-note').textContent = found ? say('unserved_note', { kwh: kwh(claimed) }) : say('no_quotas');
  at('stored').textContent = devices ? say('kwh', { kwh: kwh(sumOf('stored_wh')) }) : '–';
  at('stored-note').textContent = devices ? say('stored_note', { devices: number(devices), kwh: kwh(sumOf('capacity_wh')) }) : say('no_devices');
  at('dark').textContent = number(shown.dark.length);
  at('dark').className = `figure ${shown.dark.some((member) => member.critical) ? 'bad' : ''}`;
  at('dark-note').textContent = say('dark_note', { members: number(sumOf('members')), critical: number(shown.dark.filter((member) => member.critical).length) });
  return missing;
}

function showClasses(found) {
  at('classes').hidden = !found;
  if (!found) return;
  const beyond = shown.served?.overdrawn ? ` ${say('overdrawn', { interval: when(shown.settled), kwh: kwh(shown.served.overdrawn), members: number(shown.served.members_overdrawn) })}` : '';
  at('classes-note').textContent = found.note + beyond;
  at('classes-rows').replaceChildren(...found.classes.map((row) => make('tr', '', head(say(row.class)),
    cell(kwh(row.claimed), 'number'), cell(kwh(row.awarded), 'number'),
    cell(kwh(open(row)), `number ${open(row) > 0 ? 'bad' : 'zero'}`),
    cell(number(row.members_unserved), `number ${row.members_unserved ? '' : 'zero'}`))));
}

function showBuses() {
  at('buses-note').textContent = shown.settled ? say('buses_note', { interval: when(shown.settled) }) : say('nothing_settled');
  at('buses-rows').replaceChildren(...shown.buses.map((bus) => {
    const stored = cell(bus.devices ? `${kwh(bus.stored_wh)} / ${kwh(bus.capacity_wh)}` : '–', 'number');
    if (bus.capacity_wh > 0) {
      const filled = make('span');
      filled.style.width = `${Math.round(100 * bus.stored_wh / bus.capacity_wh)}%`;
      stored.append(make('span', 'bar', filled));
    }
    return make('tr', '', head(bus.bus ?? say('no_bus')), cell(kwh(bus.drawn), 'number'), cell(kwh(bus.fed_in), 'number'), stored,
      cell(number(bus.members), 'number'), cell(number(bus.dark), `number ${bus.dark ? 'bad' : 'zero'}`),
      cell(bus.oldest ? ago(Date.now() - end(bus.oldest)) : '–'));
  }));
}

function showDark() {
  at('darkness').hidden = shown.dark.length === 0;
  at('dark-rows').replaceChildren(...shown.dark.map((dark) => make('tr', '', head(dark.member), cell(dark.bus ?? say('no_bus')),
    cell(ago(Date.now() - end(dark.read))), cell(say(dark.critical ? 'yes' : 'no'), dark.critical ? 'bad' : ''))));
}

function draw() {
  document.title = `${say('subtitle')} – ${shown.community}`;
  at('name').textContent = shown.community;
  for (const id of CARDS) at(id).hidden = false;
  at('enter').hidden = true;
  const found = sums();
  showState(showTiles(found));
  showClasses(found);
  showBuses();
  showDark();
  const { quorum, checkpoint, island } = shown;
  at('quorum').textContent = quorum ? say(quorum.suffices ? 'quorum_suffices' : 'quorum_not', { power: number(quorum.power), whole: number(quorum.whole) }) : say('no_plan');
  at('alert').disabled = !island;
  at('alert-said').textContent = island ? '' : say('no_alert');
  at('checkpoint').textContent = checkpoint ?? say('no_checkpoint');
}

async function show() {
  clearTimeout(timer);
  let text = '';
  try {
    const answer = await ask('/v1/situation');
    if (answer.status === 401 || answer.status === 403) {
      at('enter').hidden = false;
      for (const id of CARDS) at(id).hidden = true;
      text = token() ? say('not_let_in') : '';
    } else if (!answer.ok) {
      text = say('answered', { status: answer.status });
    } else {
      shown = await answer.json();
      draw();
      at('asked').textContent = say('asked_at', { time: new Intl.DateTimeFormat(language, { timeZone: zone(), timeStyle: 'medium' }).format(Date.now()) });
    }
  } catch (error) {
    const isAway = error instanceof TypeError || error.name === 'TimeoutError';
    text = isAway ? say('never_answered') : error.message;
    document.body.classList.add('stale');
  }
  alarm(text);
  at('main').setAttribute('aria-busy', 'false');
  timer = setTimeout(show, AGAIN_MS);
}

async function download() {
  at('alert-said').textContent = '';
  try {
    const answer = await ask('/v1/situation/alert');
    if (!answer.ok) throw new Error(say('answered', { status: answer.status }));
    const link = make('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = 'alert.cap.xml';
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    at('alert-said').textContent = error.message;
  }
}

speak(say);
offer();
at('sign').addEventListener('submit', (event) => {
  event.preventDefault();
  try {
    sessionStorage.setItem(TOKEN, at('token').value.trim());
  } catch {
    alarm(say('no_storage'));
    return;
  }
  at('token').value = '';
  show();
});
at('alert').addEventListener('click', download);
show();
