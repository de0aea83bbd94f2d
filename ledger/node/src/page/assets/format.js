// What this page shows: figures, prices and intervals, as its language writes them.

import { money, nano, number } from './figures.js';
import { language } from './words.js';

export { nano, number };

/** Whole Wh in kWh. */
export const kwh = (wh) => number(Number(wh) / 1000, 2);

/** Whole billionths as an amount. */
export const amount = (nanos, digits = 4) => money(nanos, digits);

/** A price per kWh, with as many decimals as it has, four at least. */
export const price = (text) => number(Number(text), Math.max(4, text.split('.')[1]?.length ?? 0));

/** The start of `2026-06-01T12:00:00Z/PT15M`, and its length in minutes. */
export function parsed(interval) {
  const [start, length] = interval.split('/');
  return { start: Date.parse(start), minutes: length === 'PT1H' ? 60 : Number(/\d+/.exec(length)[0]) };
}

/** The start of the interval that comes `count` after this one. */
export function later(interval, count) {
  const { start, minutes } = parsed(interval);
  return new Date(start + count * minutes * 60_000).toISOString().replace('.000Z', 'Z');
}

/** An interval by the clock on the community's wall. */
export function moment(interval, timeZone) {
  const { start, minutes } = parsed(interval);
  const day = new Intl.DateTimeFormat(language, { timeZone, dateStyle: 'medium' });
  const clock = new Intl.DateTimeFormat(language, { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return `${day.format(start)}, ${clock.format(start)}–${clock.format(start + minutes * 60_000)}`;
}
