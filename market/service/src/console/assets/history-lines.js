// The lines of the grid over a day, and their worst hours: worked out when somebody asks, because it takes a while.

import { number } from './format.js';
import { drawLines } from './history-charts.js';
import { gridded } from './history-household.js';
import { ask, at, kwh, percent, row, say, wall } from './history-parts.js';

let date = null;
let asked = 0;
let shown = null;

/** Shows no lines. */
export function hideLines() {
  asked += 1;
  at('lines').hidden = true;
}

/** Offers the lines of a day, where there is a grid. */
export async function offerLines(day) {
  hideLines();
  const turn = asked;
  date = day.date;
  shown = null;
  at('lines-show').hidden = false;
  at('lines-said').textContent = '';
  for (const id of ['lines-known', 'lines-csv', 'worst-csv']) at(id).hidden = true;
  if (await gridded && turn === asked) at('lines').hidden = day.intervals.length === 0;
}

/** Draws the lines again, where they are shown. */
export async function redrawLines() {
  if (shown !== null) await drawLines(at('lines-chart'), shown);
}

async function show(day) {
  const said = [];
  if (day.lines_known > 0) said.push(say('lines_found', { count: number(day.lines_known), intervals: number(day.intervals.length) }));
  // Of what was pruned nobody knows whether there was a grid.
  else if (day.without_grid > 0 || day.pruned === 0) said.push(say('lines_none'));
  if (day.pruned > 0) said.push(say('lines_pruned', { count: number(day.pruned) }));
  at('lines-said').textContent = said.join(' ');
  at('lines-csv').href = `/api/v1/days/${day.date}/lines.csv`;
  at('worst-csv').href = `/api/v1/days/${day.date}/worst-hours.csv`;
  for (const id of ['lines-known', 'lines-csv', 'worst-csv']) at(id).hidden = day.lines_known === 0;
  at('worst-rows').replaceChildren(...day.worst.map((of) => row([
    wall(of.local), `${of.start.slice(11, 16)}Z`, of.line, kwh(of.carried_wh), kwh(of.capacity_wh), percent(of.carried_wh, of.capacity_wh),
  ], (column) => column > 2)));
  shown = day.lines_known === 0 ? null : day;
  await redrawLines();
}

at('lines-show').addEventListener('click', async () => {
  asked += 1;
  const turn = asked;
  at('lines-show').hidden = true;
  at('lines-said').textContent = say('loading');
  try {
    const day = await ask(`/api/v1/days/${date}/lines`);
    if (turn === asked) await show(day);
  } catch (error) {
    if (turn !== asked) return;
    at('lines-show').hidden = false;
    at('lines-said').textContent = say('failed', { reason: error.message });
  }
});
