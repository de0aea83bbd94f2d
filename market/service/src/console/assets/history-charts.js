// The history's charts, drawn with plotly.js as those of the console are.

import { axis, colours, CONFIG, layout, legendFont, loaded, narrow } from './charts.js';
import { kwh as wh, plain } from './format.js';
import { day as written, kwh, percent, say, wall } from './history-parts.js';
import { language } from './words.js';

const HOUR_MS = 3_600_000;
const LINES_DRAWN = 5;
const ENERGY_TOP = 0.46; // of the chart's height; the energy's legend is above it, and above that the prices are
const LINE_COLOURS = ['retail', 'demand', 'supply', 'traded', 'imported'];

/** The hour on the wall of a time zone, so many hours after the start of a day. */
function hours(zone, start, end) {
  const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone });
  const count = Math.round((Date.parse(end) - Date.parse(start)) / HOUR_MS);
  const every = narrow() ? 6 : 3;
  const ticks = Array.from({ length: Math.floor(count / every) + 1 }, (_, number) => number * every);
  return { count, ticks, texts: ticks.map((hour) => clock.format(Date.parse(start) + hour * HOUR_MS)) };
}

/** Draws the price over the energy of a day; `other` is a day to lay over it, or null. */
export async function drawDay(element, day, other, currency) {
  await loaded;
  const colour = colours();
  const places = (of) => of.intervals.map((one) => (Date.parse(one.start) - Date.parse(of.start)) / HOUR_MS);
  const x = places(day);
  // The shortest way from one interval to the next is the length of one.
  const width = x.length > 1 ? Math.min(...x.slice(1).map((place, number) => place - x[number])) : 0.25;
  const local = (of) => of.intervals.map((one) => one.local.slice(11, 16));
  const bars = (name, values, color) => ({
    x, y: values.map((value) => value / 1000), name, type: 'bar', yaxis: 'y2', offset: 0, width, marker: { color, line: { width: 0 } },
    customdata: values.map((value, place) => [local(day)[place], wh(Math.abs(value), 3)]), legend: 'legend2',
    hovertemplate: `%{customdata[0]} ${name} %{customdata[1]} kWh<extra></extra>`,
  });
  const stepped = (of, values) => ({
    x: of.flatMap((place) => [place, place + width]), y: values.flatMap((value) => [value, value]), type: 'scatter', mode: 'lines',
  });
  const dated = (what) => say('of_day', { what, date: written(other.date) });
  const prices = (of) => of.intervals.map((one) => (one.price === null ? null : Number(one.price)));
  const hover = `%{y:.4f} ${plain(currency)}/kWh<extra></extra>`;
  const traces = [
    { ...stepped(x, prices(day)), name: say('price'), line: { color: colour.ink, width: 2 }, hovertemplate: hover, legend: 'legend' },
    bars(say('traded'), day.intervals.map((one) => one.traded_wh), colour.traded),
    bars(say('imported'), day.intervals.map((one) => one.imported_wh), colour.imported),
    bars(say('exported'), day.intervals.map((one) => -one.exported_wh), colour.exported),
  ];
  if (other !== null && other.intervals.length > 0) {
    const dashed = (color) => ({ color, width: 2, dash: 'dot' });
    const over = (what, values, color) => ({
      ...stepped(places(other), values.map((value) => value / 1000)), name: dated(what), line: dashed(color), yaxis: 'y2',
      legend: 'legend2', hovertemplate: `${plain(dated(what), 60)} %{y:.3f} kWh<extra></extra>`,
    });
    traces.push(
      { ...stepped(places(other), prices(other)), name: dated(say('price')), line: dashed(colour.ink), hovertemplate: hover, legend: 'legend' },
      over(say('traded'), other.intervals.map((one) => one.traded_wh), colour.ink),
      over(say('exported'), other.intervals.map((one) => -one.exported_wh), colour.ink),
    );
  }
  element.setAttribute('aria-label', say('chart', {
    date: written(day.date), traded: kwh(day.sums.traded_wh), imported: kwh(day.sums.imported_wh), exported: kwh(day.sums.exported_wh),
  }));
  const { count, ticks, texts } = hours(day.time_zone, day.start, day.end);
  const legend = { orientation: 'h', x: 0, xanchor: 'left', yanchor: 'bottom', font: legendFont(colour) };
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 8, r: 12, t: 26, b: 8 },
    barmode: 'relative',
    bargap: 0,
    hovermode: 'closest',
    legend: { ...legend, y: 1 },
    legend2: { ...legend, y: ENERGY_TOP + 0.01 },
    xaxis: axis(colour, '', { range: [0, count], tickmode: 'array', tickvals: ticks, ticktext: texts, tickangle: 0, anchor: 'y2' }),
    yaxis: axis(colour, say('price_axis', { currency: plain(currency) }), { domain: [other !== null && narrow() ? 0.76 : 0.62, 1], rangemode: 'tozero', tickformat: '.2f', nticks: 5 }),
    yaxis2: axis(colour, say('energy_axis'), { domain: [0, ENERGY_TOP], nticks: 5, zeroline: true, zerolinecolor: colour.faint, zerolinewidth: 1 }),
  }), CONFIG);
}


/** Draws how the most loaded lines were loaded over a day. */
export async function drawLines(element, day) {
  await loaded;
  const colour = colours();
  const x = day.intervals.map((one) => (Date.parse(one.start) - Date.parse(day.start)) / HOUR_MS);
  const local = day.intervals.map((one) => one.local.slice(11, 16));
  const share = (flow, capacity) => (flow === null || !capacity ? null : (100 * Math.abs(flow)) / capacity);
  const traces = day.lines.slice(0, LINES_DRAWN).map((of, place) => ({
    x, y: of.flow_wh.map((flow, number) => share(flow, of.capacity_wh[number])), name: plain(of.line), type: 'scatter', mode: 'lines',
    line: { color: colour[LINE_COLOURS[place]], width: 2, shape: 'hv' }, text: local,
    hovertemplate: `%{text} ${plain(of.line)} %{y:.1f} &#37;<extra></extra>`,
  }));
  const [worst] = day.worst;
  element.setAttribute('aria-label', say('lines_chart', {
    date: written(day.date), line: worst.line, time: wall(worst.local), percent: percent(worst.carried_wh, worst.capacity_wh),
  }));
  const { count, ticks, texts } = hours(day.time_zone, day.start, day.end);
  await window.Plotly.react(element, traces, layout(colour, {
    margin: { l: 8, r: 12, t: narrow() ? 60 : 26, b: 8 },
    hovermode: 'closest',
    xaxis: axis(colour, '', { range: [0, count], tickmode: 'array', tickvals: ticks, ticktext: texts, tickangle: 0 }),
    yaxis: axis(colour, say('loading_axis'), { rangemode: 'tozero', nticks: 6 }),
  }), CONFIG);
}
