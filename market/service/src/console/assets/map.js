// The map of the grid: a tree from the transformer down, each bus with who lives there, each line by how much of its limit
// flows on it. Everything on it is reached with the arrow keys and says itself in words; the table below has the same.

import { kwh, moment, number, price, undirected } from './format.js';
import { count, say } from './say.js';

const SVG = 'http://www.w3.org/2000/svg';
const STEP_MIN = 44; // between two buses of a line
const STEP_MAX = 110;
const ROW = 92; // between two branches
const COLUMN = 53; // the same, upright
const EDGE = 34;
const HOMES_SHOWN = 2; // beside a bus; all are told when it is looked at
const HOMES_TOLD = 12;
const LETTER = 6.2; // width of a small letter, px

/** Loading of a line, from 0 on; 1 is all that it may carry. */
export const loading = (line) => (line.capacity_wh > 0 ? Math.abs(line.flow_wh) / line.capacity_wh : line.flow_wh === 0 ? 0 : Infinity);

const LEVELS = [
  { to: 0.25, width: 2, level: say('level1'), legend: say('load_below', { to: 25 }) },
  { to: 0.5, width: 3.5, level: say('level2'), legend: say('load_between', { from: 25, to: 50 }) },
  { to: 0.8, width: 5, level: say('level3'), legend: say('load_between', { from: 50, to: 80 }) },
  { to: 1, width: 6.5, level: say('level4'), legend: say('load_between', { from: 80, to: 100 }) },
  { to: Infinity, width: 8, level: say('level5'), legend: say('load_above', { from: 100 }) },
];
const levelOf = (line) => LEVELS.findIndex(({ to }) => loading(line) < to || to === Infinity);

/** The most loaded line or transformer; none without one. */
export function heaviest(grid) {
  return grid.map((bus) => bus.line).filter((line) => line !== null)
    .reduce((most, line) => (most === null || loading(line) > loading(most) ? line : most), null);
}

const at = (id) => document.getElementById(id);

function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Where each bus is: a tree, its levels side by side, a bus in the middle of what is below it; and its order from the top. */
function places(grid) {
  const below = grid.map(() => []);
  const depth = grid.map(() => 0);
  // A bus comes after the one above it.
  grid.forEach(({ line }, bus) => {
    if (line) {
      below[line.above].push(bus);
      depth[bus] = depth[line.above] + 1;
    }
  });
  const size = grid.map(() => 1);
  for (let bus = grid.length - 1; bus > 0; bus -= 1) {
    if (grid[bus].line) size[grid[bus].line.above] += size[bus];
  }
  const across = grid.map(() => 0);
  const order = [];
  let leaves = 0;
  const open = [0];
  const seen = new Set();
  while (open.length > 0) {
    const bus = open[open.length - 1];
    const children = below[bus];
    if (!seen.has(bus)) order.push(bus);
    if (children.length === 0) {
      across[bus] = leaves;
      leaves += 1;
      open.pop();
    } else if (seen.has(bus)) {
      across[bus] = (across[children[0]] + across[children[children.length - 1]]) / 2;
      open.pop();
    } else {
      children.sort((a, b) => size[b] - size[a]);
      open.push(...[...children].reverse());
    }
    seen.add(bus);
  }
  return { depth, across, order, leaves };
}

const short = (text, width) => {
  const letters = Array.from(undirected(text));
  const most = Math.max(3, Math.floor(width / LETTER));
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
};

/** The map of one interval, and what is said of its parts. */
class Drawing {
  constructor(view, households, currency, width) {
    this.grid = view.grid;
    this.unit = `${currency}/kWh`;
    this.labels = []; // what is written on the map, for the eye alone: each part says more of itself
    this.homes = new Map();
    households.forEach(({ bus, name }) => this.homes.set(bus, [...(this.homes.get(bus) ?? []), undirected(name)]));
    const prices = this.grid.filter((bus) => bus.price !== null).map((bus) => Number(bus.price));
    this.low = Math.min(...prices);
    this.high = Math.max(...prices);
    this.priced = prices.length > 0;
    const { depth, across, order, leaves } = places(this.grid);
    this.order = order;
    this.upright = width < 640;
    const levels = Math.max(1, ...depth);
    const room = (width - 2 * EDGE) / levels;
    this.step = this.upright ? 60 : Math.min(STEP_MAX, Math.max(STEP_MIN, room));
    const column = this.upright ? Math.max(COLUMN, (width - 16) / leaves) : ROW;
    this.column = column;
    this.place = (bus) => {
      const along = EDGE + depth[bus] * this.step;
      const aside = (this.upright ? 12 : EDGE + 6) + across[bus] * column;
      return this.upright ? { x: aside, y: along } : { x: along, y: aside };
    };
    const length = 2 * EDGE + levels * this.step;
    const breadth = this.upright ? 14 + leaves * column : 2 * EDGE + (leaves - 1) * column + 24;
    [this.width, this.height] = this.upright ? [breadth, length] : [length, breadth];
  }

  lineText(bus) {
    const { line } = bus;
    const figures = {
      line: undirected(line.line), bus: undirected(bus.bus), percent: percent(line), limit: kwh(line.capacity_wh, 1), level: LEVELS[levelOf(line)].level,
      flow: kwh(Math.abs(line.flow_wh), 3), way: say(line.flow_wh < 0 ? 'towards' : 'away'),
    };
    const traded = line.traded_wh === null ? '' : ` ${say('line_traded', { kwh: kwh(line.traded_wh, 3) })}`;
    return say('line_text', figures) + traded;
  }

  busText(bus) {
    const all = this.homes.get(bus.bus) ?? [];
    const names = all.slice(0, HOMES_TOLD).join(', ');
    const living = all.length === 0 ? say('bus_empty')
      : all.length > HOMES_TOLD ? `${say('homes_more', { names, n: number(all.length - HOMES_TOLD) })}.` : `${names}.`;
    const cost = bus.price === null ? [] : [`${price(bus.price)} ${this.unit}.`];
    return [`${undirected(bus.bus)}.`, ...cost, living].join(' ');
  }

  line(bus, own) {
    const { line } = bus;
    const level = levelOf(line);
    const [from, to] = [this.place(line.above), this.place(own)];
    const path = this.upright ? `M${from.x},${from.y}V${from.y + 10}L${to.x},${from.y + 24}V${to.y}`
      : `M${from.x},${from.y}H${from.x + 8}L${from.x + 20},${to.y}H${to.x}`;
    return this.part(`line ${bus.bus}`, this.lineText(bus), 'line',
      shape('path', { d: path, class: 'reach' }),
      shape('path', { d: path, class: `cable load${level + 1}`, 'stroke-width': LEVELS[level].width }));
  }

  bus(bus, own) {
    const { x, y } = this.place(own);
    const living = this.homes.get(bus.bus) ?? [];
    const top = own === 0;
    const size = top ? 9 : living.length > 0 ? 6.5 : 4;
    const share = this.high > this.low ? (100 * (Number(bus.price) - this.low)) / (this.high - this.low) : 0;
    const fill = bus.price === null ? 'var(--soft)' : `color-mix(in srgb, var(--price2) ${share.toFixed(0)}%, var(--price1))`;
    const dot = top ? shape('rect', { x: x - size, y: y - size, width: 2 * size, height: 2 * size, class: 'dot', style: `fill: ${fill}` })
      : shape('circle', { cx: x, cy: y, r: size, class: 'dot', style: `fill: ${fill}` });
    const room = this.upright ? this.column - 14 : this.step - 4;
    const more = living.length - HOMES_SHOWN;
    const names = living.slice(0, more === 1 ? HOMES_SHOWN + 1 : HOMES_SHOWN).map((name) => short(name, room));
    if (more > 1) names.push(`+${number(more)}`);
    const label = short(bus.bus, room);
    const written = this.upright
      ? [label, ...names].map((text, row) => shape('text', { x: x + 11, y: y + 4 + 13 * row, class: row === 0 ? 'bus-name' : 'home' }, text))
      : [shape('text', { x, y: y - 12, class: 'bus-name', 'text-anchor': 'middle' }, label),
        ...names.map((text, row) => shape('text', { x, y: y + 20 + 13 * row, class: 'home', 'text-anchor': 'middle' }, text))];
    this.labels.push(...written);
    return this.part(`bus ${bus.bus}`, this.busText(bus), 'bus', dot);
  }

  part(key, text, kind, ...shapes) {
    const made = shape('g', { role: 'option', 'aria-label': text, 'aria-selected': 'false', tabindex: -1, class: kind }, ...shapes);
    made.dataset.part = key;
    return made;
  }

  /** Lines below buses, and each line before the bus that it leads to. */
  parts() {
    return this.order.flatMap((own) => {
      const bus = this.grid[own];
      return bus.line === null ? [this.bus(bus, own)] : [this.line(bus, own), this.bus(bus, own)];
    });
  }
}

const percent = (line) => number(100 * loading(line), 1);

let looked = null; // the part that was looked at, by its key

/** Looks at a part: it can be tabbed to, and is said in words under the map. */
function look(part, focus) {
  const list = part.closest('[role=listbox]');
  list.querySelectorAll('[role=option]').forEach((other) => {
    other.setAttribute('tabindex', other === part ? 0 : -1);
    other.setAttribute('aria-selected', String(other === part));
  });
  looked = part.dataset.part;
  at('grid-said').textContent = part.getAttribute('aria-label');
  if (focus) part.focus();
}

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Goes through the parts, in their order, and looks at each that is pointed at. */
function listen(list, parts) {
  const of = (event) => event.target.closest('[role=option]');
  list.addEventListener('keydown', (event) => {
    const here = parts.indexOf(of(event));
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? parts.length - 1 : here + (STEPS[event.key] ?? NaN);
    if (here < 0 || parts[to] === undefined) return;
    event.preventDefault();
    look(parts[to], true);
  });
  for (const kind of ['focusin', 'pointerover', 'click']) {
    list.addEventListener(kind, (event) => { if (of(event)) look(of(event), kind === 'click'); });
  }
}

/** Draws the grid of an interval, its legend, and the table of its lines. */
export function drawGrid(view, households, currency) {
  const frame = at('grid');
  const had = frame.contains(document.activeElement);
  const drawing = new Drawing(view, households, currency, frame.clientWidth);
  const { width, height } = drawing;
  const parts = drawing.parts();
  // Buses lie on lines.
  const list = shape('g', { role: 'listbox', 'aria-label': `${gridText(view)} ${say('grid_keys')}` },
    ...parts.filter((part) => part.classList.contains('line')), ...parts.filter((part) => part.classList.contains('bus')));
  listen(list, parts);
  const svg = shape('svg', { width, height, viewBox: `0 0 ${width} ${height}` }, list,
    shape('g', { class: 'labels', 'aria-hidden': 'true' }, ...drawing.labels));
  frame.replaceChildren(svg);
  // What one would look at first: what was looked at before, else the most loaded line.
  const most = view.grid.find((bus) => bus.line !== null && bus.line === heaviest(view.grid));
  const named = (key) => parts.find((part) => part.dataset.part === key);
  const first = named(looked) ?? (most && named(`line ${most.bus}`)) ?? parts[0];
  if (first) look(first, had);
  drawLegend(drawing);
  drawTable(view.grid, drawing);
}

function gridText({ interval, grid }) {
  return count('grid_text', grid.length, { start: moment(interval.start) });
}

function drawLegend({ priced, low, high, unit }) {
  const sample = (className, text, ...shapes) =>
    element('li', className, shape('svg', { width: 26, height: 16, 'aria-hidden': 'true' }, ...shapes), text);
  const items = LEVELS.map(({ width, legend }, level) => sample('', legend,
    shape('path', { d: 'M1,8H25', class: `cable load${level + 1}`, 'stroke-width': width })));
  items.push(sample('', say('transformer'), shape('rect', { x: 5, y: 0, width: 16, height: 16, class: 'dot' })));
  items.push(sample('', say('households_here'), shape('circle', { cx: 13, cy: 8, r: 6.5, class: 'dot' })));
  if (priced) {
    const prices = { low: price(String(low)), high: price(String(high)), unit };
    items.push(element('li', '', element('i', 'scale'), say(low < high ? 'price_low_high' : 'price_even', prices)));
  }
  at('grid-legend').replaceChildren(...items);
}

function drawTable(grid, { homes, unit, priced }) {
  const head = [say('line'), say('to_bus'), say('loading_column'), say('flow_column'), say('limit_column')];
  if (priced) head.push(say('price_column', { unit }));
  head.push(say('households'));
  const numbers = priced ? [2, 3, 4, 5] : [2, 3, 4];
  const heads = head.map((text, place) => {
    const cell = element('th', numbers.includes(place) ? 'number' : '', text);
    cell.scope = 'col';
    return cell;
  });
  const rows = grid.filter(({ line }) => line !== null).sort((a, b) => loading(b.line) - loading(a.line)).map((bus) => {
    const { line } = bus;
    const texts = [line.line, bus.bus, percent(line), kwh(line.flow_wh, 3), kwh(line.capacity_wh, 1)];
    if (priced) texts.push(bus.price === null ? '–' : price(bus.price));
    texts.push((homes.get(bus.bus) ?? []).join(', '));
    return element('tr', '', ...texts.map((text, place) => {
      const cell = element(place === 0 ? 'th' : 'td', numbers.includes(place) ? 'number' : place === texts.length - 1 ? 'living' : '', text);
      if (place === 0) cell.scope = 'row';
      if (place < 2) cell.title = text;
      if (place === 2) cell.prepend(element('i', `mark load${levelOf(line) + 1}`));
      return cell;
    }));
  });
  at('grid-heads').replaceChildren(...heads);
  at('grid-rows').replaceChildren(...rows);
}
