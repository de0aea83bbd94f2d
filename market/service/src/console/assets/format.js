// Numbers and times as people read them, in the page's language. Exact decimal text comes in; only what is shown is rounded.

import { language } from './words.js';

const formats = new Map();

/** `value` with `digits` decimals, grouped, with a real minus sign. */
export function number(value, digits = 0) {
  if (!formats.has(digits)) {
    formats.set(digits, new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  const text = formats.get(digits).format(value).replace('-', '−');
  return /[1-9]/.test(text) ? text : text.replace('−', '');
}

/** Whole Wh in kWh. */
export const kwh = (wh, digits) => number(wh / 1000, digits);

/** Whole Wh in the unit that suits their size. */
export function energy(wh) {
  return wh >= 10_000_000 ? { text: number(wh / 1e6, 2), unit: 'MWh' } : { text: number(wh / 1000, 1), unit: 'kWh' };
}

/** Decimal text as whole nano-units: exact, to sum and to sort by. */
export function nano(text) {
  const [, sign, units, decimals = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [null, '', '0'];
  const magnitude = BigInt(units) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0').slice(0, 9));
  return sign ? -magnitude : magnitude;
}

/** Whole nano-units as an amount. */
export const money = (nanos, digits) => number(Number(nanos) / 1e9, digits);

/** A price per kWh, four decimals or as many as it has. */
export function price(text) {
  const decimals = text.split('.')[1]?.length ?? 0;
  return number(Number(text), Math.max(4, decimals > 4 ? Math.min(decimals, 6) : 4));
}

/** How long ago, in one unit. */
export function age(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

/** `12:00` of `2026-06-01T12:00:00Z`. */
export const clock = (start) => start.slice(11, 16);

/** `one interval`, `2 intervals`. */
export const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

const LABEL_MAX = 24;

/**
 * Text from outside (names, buses, lines, currencies, mechanisms) as a chart shows it: as it is, and not too long. plotly.js
 * takes tags, entities and `%{…}` in every text for markup, and letters that turn the direction would turn what follows.
 */
export function plain(text, most = LABEL_MAX) {
  const letters = Array.from(String(text).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, ''));
  const short = letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
  return short.replace(/[&<>%$]/g, (letter) => `&#${letter.codePointAt(0)};`);
}
