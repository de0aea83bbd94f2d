// Numbers and times as people read them, in the page's language. Exact decimal text comes in; only what is shown is rounded.

import { money, nano, number } from './figures.js';
import { language } from './words.js';

export { money, nano, number };

/** Whole Wh in kWh. */
export const kwh = (wh, digits) => number(wh / 1000, digits);

/** Decimals for energies of which `wh` is the largest: each Wh is seen until they are many. */
export const decimals = (wh) => (wh < 10_000 ? 3 : 1);

/** Whole Wh in the unit that suits their size. */
export function energy(wh) {
  return wh >= 10_000_000 ? { text: number(wh / 1e6, 2), unit: 'MWh' } : { text: number(wh / 1000, decimals(wh)), unit: 'kWh' };
}

/** A price per kWh, four decimals or as many as it has. */
export function price(text) {
  const given = text.split('.')[1]?.length ?? 0;
  return number(Number(text), Math.max(4, given > 4 ? Math.min(given, 6) : 4));
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

// English is written with the day before the month, or after it: therefore as ISO 8601 has it.
const written = (options) => (language === 'en' ? null : new Intl.DateTimeFormat(language, { timeZone: 'UTC', ...options }));
const DAY = written({ dateStyle: 'medium' });
const MOMENT = written({ dateStyle: 'medium', timeStyle: 'short' });

/** The day of `2026-06-01T12:00:00Z`. */
export const day = (at) => DAY?.format(new Date(at)) ?? at.slice(0, 10);

/** `2026-06-01T12:00:00Z` as the reader writes it, in UTC. */
export const moment = (at) => (MOMENT === null ? at : `${MOMENT.format(new Date(at))} UTC`);

/** What stands before decimals and between thousands, as plotly.js takes it. */
export const separators = ['decimal', 'group'].map((type) => new Intl.NumberFormat(language, { useGrouping: 'always' })
  .formatToParts(12_345.6).find((part) => part.type === type)?.value ?? '').join('');

const LABEL_MAX = 24;

/** Text from outside without the letters that turn the direction: they would turn what follows, too. */
export const undirected = (text) => String(text).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');

/**
 * Text from outside (names, buses, lines, currencies, mechanisms) as a chart shows it: as it is, and not too long. plotly.js
 * takes tags, entities and `%{…}` in every text for markup.
 */
export function plain(text, most = LABEL_MAX) {
  const letters = Array.from(undirected(text));
  const short = letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
  return short.replace(/[&<>%$]/g, (letter) => `&#${letter.codePointAt(0)};`);
}
