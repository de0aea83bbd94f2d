// An interval of the past: its curves, and what its energy did to the grid.

import { drawCurves } from './charts.js';
import { ask, at, kwh, percent, row, say, wall } from './history-parts.js';

const ORIGINS = {
  kept: () => say('origin_kept'),
  recomputed: () => say('origin_recomputed'),
  pruned: () => say('origin_pruned'),
  different: () => say('origin_different'),
  unknown: () => say('origin_unknown'),
};

let asked = 0;

/** Shows no interval. */
export function hideInterval() {
  asked += 1;
  at('interval').hidden = true;
}

/** Shows the interval of a row of the day. */
export async function showInterval({ start, local }, currency) {
  asked += 1;
  const turn = asked;
  at('interval').hidden = false;
  at('interval-title').textContent = say('interval', { time: wall(local), start });
  at('interval-said').textContent = say('loading');
  for (const id of ['curves-figure', 'interval-lines', 'curves-csv', 'grid-csv']) at(id).hidden = true;
  at('interval').scrollIntoView({ block: 'nearest' });
  try {
    const view = await ask(`/api/v1/intervals/${start}/curves`);
    if (turn === asked) await show(view, currency);
  } catch (error) {
    if (turn === asked) at('interval-said').textContent = say('failed', { reason: error.message });
  }
}

async function show(view, currency) {
  const { start } = view.interval;
  const lines = view.grid.map((bus) => bus.line).filter((line) => line !== null);
  const loading = ({ flow_wh: flow, capacity_wh: capacity }) => (capacity > 0 ? Math.abs(flow) / capacity : 0);
  lines.sort((a, b) => loading(b) - loading(a));
  at('interval-said').textContent = ORIGINS[view.origin]();
  at('curves-csv').hidden = view.curves === null;
  at('curves-csv').href = `/api/v1/intervals/${start}/curves.csv`;
  at('grid-csv').hidden = lines.length === 0;
  at('grid-csv').href = `/api/v1/intervals/${start}/grid.csv`;
  at('interval-lines').hidden = lines.length === 0;
  at('interval-rows').replaceChildren(...lines.map((line) => row(
    [line.line, kwh(line.flow_wh), kwh(line.capacity_wh), percent(line.flow_wh, line.capacity_wh)], (column) => column > 0,
  )));
  at('curves-figure').hidden = view.curves === null;
  if (view.curves === null) return;
  at('curves-empty').hidden = false;
  await drawCurves(at('curves'), view, currency);
  at('curves-empty').hidden = true;
}
