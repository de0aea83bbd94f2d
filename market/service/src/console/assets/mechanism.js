// What only some mechanisms have: who got how much by a key, and the map of the grid.

import { axis, colours, CONFIG, layout, legendFont, loaded, narrow } from './charts.js';
import { kwh, plain, price } from './format.js';

const SHARES_SHOWN = 60;
const LABEL_MAX = 14; // below the bars, upright
const HOMES_SHOWN = 8; // at one bus

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
    bars(narrow() ? 'Bought' : 'From neighbours', 'bought_wh', 1, colour.traded),
    bars(narrow() ? 'Drawn' : 'From supplier', 'imported_wh', 1, colour.imported),
    bars(narrow() ? 'Sold' : 'To neighbours', 'sold_wh', -1, colour.demand),
    bars(narrow() ? 'Fed in' : 'To supplier', 'exported_wh', -1, colour.exported),
  ];
  const shared = active.reduce((sum, household) => sum + household.bought_wh, 0);
  const wanted = active.reduce((sum, household) => sum + household.bought_wh + household.imported_wh, 0);
  element.setAttribute('aria-label', `Interval ${view.interval.start}: ${active.length} households, ${kwh(shared, 3)} of ` +
    `the ${kwh(wanted, 3)} kWh that they needed came from neighbours.`);
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 8, r: 12, t: narrow() ? 40 : 26, b: 8 },
    barmode: 'relative',
    bargap: 0.15,
    hovermode: 'closest',
    xaxis: axis(colour, '', {
      tickmode: 'array', tickvals: labelled, ticktext: labelled.map((place) => plain(shown[place].name, LABEL_MAX)),
      tickangle: -90, tickfont: { size: 10 }, showgrid: false,
    }),
    yaxis: axis(colour, 'kWh: needed above, fed in below', { zeroline: true, zerolinecolor: colour.faint, zerolinewidth: 1, nticks: 6 }),
  }), CONFIG);
  return active.length - shown.length;
}

const need = (household) => household.bought_wh + household.imported_wh - household.sold_wh - household.exported_wh;

/** Loading of a line, from 0 on; 1 is all that it may carry. */
export const loading = (line) => (line.capacity_wh > 0 ? Math.abs(line.flow_wh) / line.capacity_wh : line.flow_wh === 0 ? 0 : Infinity);

const CLASSES = [
  { name: 'below 25 %', from: 0, to: 0.25, colour: 'load1', width: 2 },
  { name: '25–50 %', from: 0.25, to: 0.5, colour: 'load2', width: 3.5 },
  { name: '50–80 %', from: 0.5, to: 0.8, colour: 'load3', width: 5 },
  { name: '80–100 %', from: 0.8, to: 1, colour: 'load4', width: 6.5 },
  { name: '100 % or more', from: 1, to: Infinity, colour: 'load5', width: 8 },
];

/** Where each bus is drawn: a tree, its levels side by side, a bus in the middle of what is below it. */
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
  let next = 0;
  const open = [0];
  const seen = new Set();
  while (open.length > 0) {
    const bus = open[open.length - 1];
    const children = below[bus];
    if (children.length === 0) {
      across[bus] = next;
      next += 1;
      open.pop();
    } else if (seen.has(bus)) {
      across[bus] = (across[children[0]] + across[children[children.length - 1]]) / 2;
      open.pop();
    } else {
      seen.add(bus);
      children.sort((a, b) => size[b] - size[a]);
      open.push(...[...children].reverse());
    }
  }
  return grid.map((_, bus) => ({ depth: depth[bus], across: across[bus] }));
}

/** Draws the grid as a tree: lines by how much of what they may carry flows on them, buses by their price. */
export async function drawGrid(element, view, households, currency) {
  await loaded;
  const colour = colours();
  const { grid } = view;
  // Upright on a narrow screen: the transformer on top.
  const upright = narrow();
  const at = places(grid).map(({ depth, across }) => (upright ? { x: across, y: -depth } : { x: depth, y: -across }));
  const homes = new Map();
  households.forEach(({ bus, name }) => homes.set(bus, [...(homes.get(bus) ?? []), name]));
  const perKwh = `${plain(currency)}/kWh`;
  const living = (bus) => {
    const all = homes.get(bus) ?? [];
    const more = all.length > HOMES_SHOWN ? ` and ${all.length - HOMES_SHOWN} more` : '';
    return all.slice(0, HOMES_SHOWN).map((name) => plain(name)).join(', ') + more;
  };
  const edges = grid.map((bus, place) => ({ ...bus.line, below: place })).filter((edge) => edge.line !== undefined);

  const lineText = (edge) => {
    const traded = edge.traded_wh === null ? '' : `<br>traded ${kwh(edge.traded_wh, 3)} kWh`;
    const way = edge.flow_wh < 0 ? 'to the transformer' : 'away from the transformer';
    return `${plain(edge.line)}: ${(100 * loading(edge)).toFixed(1)} % of ${kwh(edge.capacity_wh, 1)} kWh<br>` +
      `${kwh(Math.abs(edge.flow_wh), 3)} kWh ${way}${traded}`;
  };
  const traces = CLASSES.map((kind) => {
    const x = [];
    const y = [];
    edges.filter((edge) => loading(edge) >= kind.from && loading(edge) < kind.to).forEach((edge) => {
      x.push(at[edge.above].x, at[edge.below].x, null);
      y.push(at[edge.above].y, at[edge.below].y, null);
    });
    return {
      x: x.length ? x : [null], y: y.length ? y : [null], name: kind.name, type: 'scatter', mode: 'lines', hoverinfo: 'skip',
      line: { color: colour[kind.colour], width: kind.width },
    };
  });
  traces.push({
    x: edges.map((edge) => (at[edge.above].x + at[edge.below].x) / 2),
    y: edges.map((edge) => (at[edge.above].y + at[edge.below].y) / 2),
    type: 'scatter', mode: 'markers', marker: { size: 14, opacity: 0 }, showlegend: false,
    text: edges.map(lineText), hovertemplate: '%{text}<extra></extra>',
  });
  const priced = grid.some((bus) => bus.price !== null);
  const prices = grid.map((bus) => (bus.price === null ? null : Number(bus.price)));
  const known = prices.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const even = high - low < 1e-9;
  const bar = {
    title: { text: perKwh, font: { size: 11 } }, tickformat: '.3f', nticks: 4, thickness: 10, outlinewidth: 0,
    ...(upright ? { orientation: 'h', y: 0, yanchor: 'top', len: 0.8 } : { len: 0.7 }),
  };
  traces.push({
    x: at.map((place) => place.x), y: at.map((place) => place.y), type: 'scatter', mode: 'markers', showlegend: false,
    marker: {
      size: grid.map((bus, place) => (place === 0 ? 15 : homes.has(bus.bus) ? 11 : 6)),
      symbol: grid.map((_, place) => (place === 0 ? 'square' : 'circle')),
      color: priced ? prices : colour.soft,
      line: { color: colour.card, width: 1.5 },
      ...(priced ? {
        colorscale: [[0, colour.price1], [1, colour.price2]], showscale: !even, colorbar: bar,
        cmin: even ? low - 1 : low, cmax: even ? low + 1 : high,
      } : {}),
    },
    text: grid.map((bus) => [
      plain(bus.bus),
      bus.price === null ? '' : `${price(bus.price)} ${perKwh}`,
      living(bus.bus),
    ].filter(Boolean).join('<br>')),
    hovertemplate: '%{text}<extra></extra>',
  });
  element.setAttribute('aria-label', gridText(view, edges, known, currency));
  const bare = { visible: false, fixedrange: true, automargin: true };
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 12, r: 12, t: 30, b: 12 },
    hovermode: 'closest',
    legend: {
      orientation: 'h', x: 0, y: 1, xanchor: 'left', yanchor: 'bottom', font: legendFont(colour), itemclick: false,
      itemdoubleclick: false, itemwidth: 30,
    },
    xaxis: bare,
    yaxis: bare,
  }), CONFIG);
}

/** The most loaded line or transformer; none without one. */
export function heaviest(grid) {
  return grid.map((bus) => bus.line).filter((line) => line !== null)
    .reduce((most, line) => (most === null || loading(line) > loading(most) ? line : most), null);
}

function gridText({ interval, grid }, edges, prices, currency) {
  const most = heaviest(grid);
  const loaded = most === null ? '' : ` The most loaded of ${edges.length} lines is ${most.line}, at ${(100 * loading(most)).toFixed(1)} %.`;
  const span = prices.length === 0
    ? ''
    : ` Prices are from ${price(String(Math.min(...prices)))} to ${price(String(Math.max(...prices)))} ${currency} per kWh.`;
  return `The grid in interval ${interval.start}: ${grid.length} buses.${loaded}${span}`;
}
