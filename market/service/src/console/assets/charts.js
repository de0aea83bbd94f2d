// Supply and demand, and the history, drawn with plotly.js, which this server hands out itself.

import { kwh, moment, plain, price, separators } from './format.js';
import { say } from './say.js';

// An interval says itself which picture it has; one that this page does not know has its curves and its grid.

/** Whether the price was set: there is no crossing, and who is served says a key. */
export const keyed = (view) => view.picture === 'community_price';
/** Whether the highest bids and the lowest offers were served, so that the gain lies between the curves. */
const byPrice = (view) => view.picture === 'merit_order';

// Large, and kept by the browser for as long as it is the same: the market writes its hash behind the name.
const LIBRARY = '/assets/plotly.js';

let library = null;

function bring() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = LIBRARY;
    script.addEventListener('load', resolve);
    script.addEventListener('error', () => {
      script.remove();
      library = null; // asked for again by whoever draws next
      reject(new Error(say('library_lost')));
    });
    document.head.append(script);
  });
}

/** The library of all charts, to be awaited: it is fetched when the first one waits for it, not before. */
export const loaded = {
  then(resolve, reject) {
    library ??= bring();
    return library.then(resolve, reject);
  },
};

export const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${name}`).trim() });
}

// Between the margins of A4, and a card's; on other paper a chart is drawn larger or smaller.
const PAPER_WIDTH = 660;

/** Every chart that is drawn. */
const drawn = () => [...document.querySelectorAll('.plot')].filter((element) => element.data !== undefined);

// A chart keeps the size it was drawn at, and a screen is wider than paper: so it is drawn anew for the time of printing.
addEventListener('beforeprint', () => drawn().forEach((element) => {
  const height = element.clientHeight;
  window.Plotly.relayout(element, { autosize: false, width: PAPER_WIDTH, height });
  element.querySelectorAll('.main-svg').forEach((svg) => svg.setAttribute('viewBox', `0 0 ${PAPER_WIDTH} ${height}`));
}));
addEventListener('afterprint', () => drawn().forEach((element) => {
  element.querySelectorAll('.main-svg').forEach((svg) => svg.removeAttribute('viewBox'));
  window.Plotly.relayout(element, { autosize: true, width: null, height: null });
}));

export const narrow = () => window.innerWidth < 480;

// On a narrow screen a legend stays in one row only if it is small.
export const legendFont = (colour) => ({ color: colour.ink, size: narrow() ? 10.5 : 12 });

export function layout(colour, more) {
  return {
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { family: FONT, size: 12, color: colour.soft },
    hoverlabel: { bgcolor: colour.card, bordercolor: colour.line, font: { family: FONT, size: 12, color: colour.ink } },
    legend: { orientation: 'h', x: 0, y: 1, xanchor: 'left', yanchor: 'bottom', font: legendFont(colour) },
    dragmode: false,
    separators,
    showlegend: true,
    ...more,
  };
}

export function axis(colour, title, more) {
  return {
    title: { text: title, font: { size: 12 }, standoff: 8 },
    gridcolor: colour.grid,
    linecolor: colour.line,
    zeroline: false,
    fixedrange: true,
    automargin: true,
    ...more,
  };
}

/** Steps by price, added up: the points of a stepped curve, in kWh. */
function stepped(steps, ascending) {
  const sorted = steps
    .filter((step) => step.energy_wh > 0)
    .map((step) => ({ wh: step.energy_wh, price: Number(step.price) }))
    .sort((a, b) => (ascending ? a.price - b.price : b.price - a.price));
  const x = [];
  const y = [];
  let sum = 0;
  for (const step of sorted) {
    x.push(sum / 1000, (sum + step.wh) / 1000);
    y.push(step.price, step.price);
    sum += step.wh;
  }
  return { x, y, wh: sum };
}

/** The part of a curve up to `limit` kWh. */
function upTo(curve, limit) {
  const x = [];
  const y = [];
  for (let i = 0; i < curve.x.length && (i % 2 === 1 || curve.x[i] < limit); i += 1) {
    x.push(Math.min(curve.x[i], limit));
    y.push(curve.y[i]);
    if (curve.x[i] >= limit) break;
  }
  return { x, y };
}

/**
 * Draws supply, demand, and what the mechanism made of them: the gain from trade between them and where they cross; or,
 * where there is no one price, what was paid trade by trade, and what was received of it.
 */
export async function drawCurves(element, view, currency) {
  await loaded;
  const colour = colours();
  const demand = stepped(view.curves.demand, false);
  const supply = stepped(view.curves.supply, true);
  const { traded_wh: tradedWh, price: clearing } = view.interval;
  const quantity = tradedWh / 1000;
  const perKwh = `${plain(currency)}/kWh`;
  const hover = `%{x:.3f} kWh<br>%{y:.4f} ${perKwh}`;
  const line = (curve, name, color) => ({
    ...curve, name, type: 'scatter', mode: 'lines', line: { color, width: 2.5 }, hovertemplate: hover,
  });
  const traces = [];
  if (tradedWh > 0 && byPrice(view)) {
    const above = upTo(demand, quantity);
    const below = upTo(supply, quantity);
    traces.push({
      x: [...above.x, ...below.x.reverse()], y: [...above.y, ...below.y.reverse()], 
      name: say(narrow() || clearing === null ? 'gain' : 'gain_from_trade'),
      type: 'scatter', mode: 'none', fill: 'toself', fillcolor: colour.traded, opacity: 0.16, hoverinfo: 'skip',
    });
  }
  traces.push(line(demand, say('demand'), colour.demand), line(supply, say('supply'), colour.supply));
  const shapes = [];
  const annotations = [];
  const widest = Math.max(demand.wh, supply.wh) / 1000;
  const dotted = { color: colour.ink, width: 1, dash: 'dot' };
  const label = { showarrow: false, font: { color: colour.ink, size: 13 } };
  const right = quantity > widest * 0.7;
  const traded = (y) => ({
    ...label, x: quantity, y, yref: 'paper', text: `<b>${kwh(tradedWh, 3)} kWh</b>`, yanchor: 'bottom',
    xanchor: right ? 'right' : 'left', xshift: right ? -4 : 4, yshift: 2,
  });
  if (tradedWh > 0 && clearing === null) {
    // Where sellers receive all that buyers pay, one line says it.
    const kept = Number(view.interval.operator) !== 0;
    const one = (steps, ascending, name, color) => ({
      ...line(stepped(steps, ascending), name, color), line: { color, width: 2, dash: 'dot' },
    });
    traces.push(one(view.paid, false, say(kept ? 'paid' : 'trades'), colour.ink));
    if (kept) traces.push(one(view.received, true, say('received'), colour.traded));
    shapes.push({ type: 'line', x0: quantity, x1: quantity, y0: 0, y1: 1, yref: 'paper', line: dotted });
    annotations.push(traded(0));
  }
  if (tradedWh > 0 && clearing !== null) {
    const y = Number(clearing);
    shapes.push(
      { type: 'line', x0: 0, x1: quantity, y0: y, y1: y, line: dotted },
      { type: 'line', x0: quantity, x1: quantity, y0: 0, y1: y, yref: 'y', line: dotted },
    );
    traces.push({
      x: [quantity], y: [y], name: say(keyed(view) ? 'community_price' : 'crossing'), type: 'scatter', mode: 'markers', showlegend: false,
      marker: { size: 11, color: colour.ink, line: { color: colour.card, width: 2 } }, hovertemplate: hover,
    });
    annotations.push(
      { ...label, x: 0, y, text: `<b>${price(clearing)}</b>`, xanchor: 'left', yanchor: 'bottom', xshift: 4 },
      traded(0),
    );
  }
  element.setAttribute('aria-label', curvesText(view, currency));
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 8, r: 12, t: 26, b: 8 },
    hovermode: 'closest',
    shapes,
    annotations,
    xaxis: axis(colour, say('energy_axis'), { rangemode: 'tozero' }),
    yaxis: axis(colour, say('limit_axis', { unit: perKwh }), { rangemode: 'tozero', tickformat: '.2f' }),
  }), CONFIG);
}

/** The curves of an interval in words. */
export function curvesText(view, currency) {
  const sum = (steps) => steps.reduce((wh, step) => wh + step.energy_wh, 0);
  const [demand, supply] = [sum(view.curves.demand), sum(view.curves.supply)];
  const { start, price: clearing, average_price: average, traded_wh: tradedWh } = view.interval;
  // Where nothing was traded there is no price of any kind.
  const figures = { kwh: kwh(tradedWh, 3), price: price(clearing ?? average ?? '0'), currency };
  const traded = tradedWh === 0 ? say('nothing_traded') : say(clearing === null ? 'traded_on_average' : 'traded_at', figures);
  return say('curves_text', { start: moment(start), asked: kwh(demand, 3), offered: kwh(supply, 3), traded });
}

/** Draws the price over the energy; `chosen` is the start of the interval to mark, `onChoose` is told of clicks. */
export async function drawHistory(element, intervals, community, chosen, onChoose) {
  await loaded;
  const colour = colours();
  const perKwh = `${plain(community.currency)}/kWh`;
  const first = intervals[0];
  const last = intervals[intervals.length - 1];
  const width = community.interval_minutes * 60_000;

  const clearing = { x: [], y: [] };
  for (const interval of intervals) {
    const shown = interval.price ?? interval.average_price;
    const y = shown === null ? null : Number(shown);
    clearing.x.push(interval.start, interval.end);
    clearing.y.push(y, y);
  }
  const starts = intervals.map((interval) => interval.start);
  const bars = (name, wh, color) => ({
    x: starts, y: wh.map((value) => value / 1000), name, type: 'bar', xaxis: 'x', yaxis: 'y2', offset: 0, width,
    marker: { color, line: { width: 0 } }, hovertemplate: `${name} %{customdata} kWh<extra></extra>`,
    customdata: wh.map((value) => kwh(Math.abs(value), 3)),
  });
  // As it was in each interval: the rules may have changed between them. Two points where they did not.
  const reference = (name, key, color) => {
    const steps = intervals.filter((interval, place) => place === 0 || interval[key] !== intervals[place - 1][key]);
    const ends = [...steps.slice(1).map((interval) => interval.start), last.end];
    return {
      x: steps.flatMap((interval, place) => [interval.start, ends[place]]),
      y: steps.flatMap((interval) => [Number(interval[key]), Number(interval[key])]),
      name: narrow() ? name : `${name} ${price(last[key])}`, type: 'scatter', mode: 'lines',
      line: { color, width: 1.5, dash: 'dash' }, hoverinfo: 'skip', yaxis: 'y', xaxis: 'x', legend: 'legend',
    };
  };
  const traces = [
    {
      ...clearing, name: say('price'), type: 'scatter', mode: 'lines', yaxis: 'y', xaxis: 'x', legend: 'legend',
      line: { color: colour.ink, width: 2 }, connectgaps: false,
      hovertemplate: `${say('price')} %{y:.4f} ${perKwh}<extra></extra>`,
    },
    reference(say('retail'), 'retail_price', colour.retail),
    reference(say('feed_in'), 'feed_in_price', colour.supply),
    { ...bars(say('traded'), intervals.map((i) => i.traded_wh), colour.traded), legend: 'legend2' },
    { ...bars(say(narrow() ? 'drawn' : 'from_supplier'), intervals.map((i) => i.imported_wh), colour.imported), legend: 'legend2' },
    { ...bars(say(narrow() ? 'fed_in' : 'to_supplier'), intervals.map((i) => -i.exported_wh), colour.exported), legend: 'legend2' },
  ];
  const mark = intervals.find((interval) => interval.start === chosen);
  const shapes = mark === undefined ? [] : [{
    type: 'rect', xref: 'x', yref: 'paper', x0: mark.start, x1: mark.end, y0: 0, y1: 1, layer: 'below',
    fillcolor: colour.accent, opacity: 0.28, line: { color: colour.accent, width: 1 },
  }];
  element.setAttribute('aria-label', historyText(intervals, community));
  const legend = { orientation: 'h', x: 0, xanchor: 'left', yanchor: 'bottom', font: legendFont(colour) };
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 8, r: 12, t: 26, b: 8 },
    barmode: 'relative',
    bargap: 0,
    hovermode: 'x unified',
    shapes,
    legend: { ...legend, y: 1 },
    legend2: { ...legend, y: 0.47 },
    xaxis: axis(colour, '', {
      type: 'date', range: [first.start, last.end], hoverformat: '%Y-%m-%dT%H:%M:%SZ', anchor: 'y2', nticks: narrow() ? 4 : 8,
      tickangle: 0,
      tickformatstops: [
        { dtickrange: [null, 86_399_999], value: '%H:%M\n%Y-%m-%d' },
        { dtickrange: [86_400_000, null], value: '%m-%d\n%Y' },
      ],
    }),
    yaxis: axis(colour, perKwh, { domain: [0.57, 1], rangemode: 'tozero', tickformat: '.2f', nticks: 5 }),
    yaxis2: axis(colour, say('per_interval'), { domain: [0, 0.45], nticks: 5, zeroline: true, zerolinecolor: colour.faint, zerolinewidth: 1 }),
  }), CONFIG);
  if (element.dataset.listening === undefined) {
    element.dataset.listening = 'true';
    // The price's points mark the ends of intervals too; a bar's mark starts only.
    element.on('plotly_click', ({ points }) => onChoose((points.find((point) => point.data?.type === 'bar') ?? points[0]).x));
  }
}

function historyText(intervals, community) {
  const priced = intervals.map((interval) => interval.price ?? interval.average_price).filter((text) => text !== null);
  const low = priced.reduce((a, b) => (Number(b) < Number(a) ? b : a), priced[0]);
  const high = priced.reduce((a, b) => (Number(b) > Number(a) ? b : a), priced[0]);
  const traded = intervals.reduce((sum, interval) => sum + interval.traded_wh, 0);
  const prices = priced.length === 0 ? say('no_price')
    : say('prices_from', { low: price(low), high: price(high), currency: community.currency });
  const [from, to] = [intervals[0].start, intervals[intervals.length - 1].end];
  return say('history_text', { from: moment(from), to: moment(to), kwh: kwh(traded, 1), prices });
}
