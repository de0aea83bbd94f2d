// What only some mechanisms have: who got how much by a key.

import { axis, colours, CONFIG, layout, loaded, narrow } from './charts.js';
import { kwh, moment, plain } from './format.js';
import { count, say } from './say.js';

const SHARES_SHOWN = 60;
const LABEL_MAX = 14; // below the bars, upright

/** Draws for each household how much of what it needed, or had, was shared with neighbours, and how much was not. */
export async function drawShares(element, households, view) {
  await loaded;
  const colour = colours();
  const active = households
    .filter((household) => household.bought_wh + household.imported_wh + household.sold_wh + household.exported_wh > 0)
    .sort((a, b) => need(b) - need(a));
  const shown = active.length <= SHARES_SHOWN
    ? active
    : [...active.slice(0, SHARES_SHOWN / 2), ...active.slice(-SHARES_SHOWN / 2)];
  // By place, because two households may have one name.
  const places = shown.map((_, place) => place);
  const names = shown.map((household) => plain(household.name, 40));
  const every = Math.max(1, Math.ceil(shown.length / (narrow() ? 14 : 41)));
  const labelled = places.filter((place) => place % every === 0);
  const bars = (name, key, sign, color) => ({
    x: places, text: names, textposition: 'none', y: shown.map((household) => (sign * household[key]) / 1000), name, type: 'bar',
    marker: { color, line: { width: 0 } }, customdata: shown.map((household) => kwh(household[key], 3)),
    hovertemplate: `%{text}<br>${name} %{customdata} kWh<extra></extra>`,
  });
  const traces = [
    bars(say(narrow() ? 'bought' : 'from_neighbours'), 'bought_wh', 1, colour.traded),
    bars(say(narrow() ? 'drawn' : 'from_supplier'), 'imported_wh', 1, colour.imported),
    bars(say(narrow() ? 'sold' : 'to_neighbours'), 'sold_wh', -1, colour.demand),
    bars(say(narrow() ? 'fed_in' : 'to_supplier'), 'exported_wh', -1, colour.exported),
  ];
  const shared = active.reduce((sum, household) => sum + household.bought_wh, 0);
  const wanted = active.reduce((sum, household) => sum + household.bought_wh + household.imported_wh, 0);
  element.setAttribute('aria-label', say('shares_text', {
    start: moment(view.interval.start), households: count('members', active.length), shared: kwh(shared, 3), wanted: kwh(wanted, 3),
  }));
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 8, r: 12, t: narrow() ? 40 : 26, b: 8 },
    barmode: 'relative',
    bargap: 0.15,
    hovermode: 'closest',
    xaxis: axis(colour, '', {
      tickmode: 'array', tickvals: labelled, ticktext: labelled.map((place) => plain(shown[place].name, LABEL_MAX)),
      tickangle: -90, tickfont: { size: 10 }, showgrid: false,
    }),
    yaxis: axis(colour, say('shares_axis'), { zeroline: true, zerolinecolor: colour.faint, zerolinewidth: 1, nticks: 6 }),
  }), CONFIG);
  return active.length - shown.length;
}

const need = (household) => household.bought_wh + household.imported_wh - household.sold_wh - household.exported_wh;
