// Figures and times as the page's language writes them. Exact decimal text comes in; only what is shown is rounded.

import { language } from './words.js';

/** A whole or rounded number with a real minus sign; none where it rounds to zero. */
export function number(value, digits = 0) {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const text = new Intl.NumberFormat(language, format).format(value).replace('-', '−');
  return /[1-9]/.test(text) ? text : text.replace('−', '');
}

/** Whole Wh in kWh. */
export const kwh = (wh) => number(Number(wh) / 1000, 2);

/** Decimal text as whole billionths: exact, to be summed. */
export function nano(text) {
  const [, sign, units, decimals = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  const magnitude = BigInt(units) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0'));
  return sign ? -magnitude : magnitude;
}

/** Whole billionths as an amount. */
export const amount = (nanos, digits = 4) => number(Number(nanos) / 1e9, digits);

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

/** An element with a class, text and children. */
export function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}
