// What the parts of the history have in common: how they ask, and how they write figures, dates and rows.

import { ask as asked } from './ask.js';
import { money as amount, nano, number } from './format.js';
import { TEXTS } from './history-words.js';
import { language, speaker } from './words.js';

export const say = speaker(TEXTS);
export const at = (id) => document.getElementById(id);

/** Whole Wh, none of them lost. */
export const kwh = (wh) => number(wh / 1000, 3);
export const money = (text) => amount(nano(text), 2);
export const small = (text) => amount(nano(text), 4);

/** A date such as `2026-06-01`, as people write it. */
export function day(date) {
  const style = { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' };
  return new Intl.DateTimeFormat(language, style).format(new Date(`${date}T00:00:00Z`));
}

/** `12:00 (+02:00)` of `2026-06-01T12:00:00+02:00`. */
export const wall = (local) => `${local.slice(11, 16)} (${local.slice(19)})`;

/** What the market answers; throws what is wrong with it, in words. */
export async function ask(path) {
  let answer;
  let body;
  try {
    answer = await asked(path);
    body = await answer.json();
  } catch {
    throw new Error(say('away'));
  }
  if (!answer.ok) throw new Error(TEXTS[language][`problem_${body.refusal}`] ?? body.error);
  return body;
}

/** A row of a table: the first cell is its head, those of `numbers` are numbers. */
export function row(cells, numbers) {
  const made = document.createElement('tr');
  cells.forEach((text, column) => {
    const cell = document.createElement(column === 0 ? 'th' : 'td');
    if (column === 0) cell.scope = 'row';
    if (numbers(column)) cell.className = 'number';
    cell.append(text);
    made.append(cell);
  });
  return made;
}

/** What was carried of what may be, in percent. */
export const percent = (carried, capacity) => (
  capacity > 0 ? say('percent', { value: number((100 * Math.abs(carried)) / capacity, 1) }) : '–'
);

/** The month of a date such as `2026-06`, as people write it. */
export function monthName(month) {
  const style = { month: 'long', year: 'numeric', timeZone: 'UTC' };
  return new Intl.DateTimeFormat(language, style).format(new Date(`${month}-01T00:00:00Z`));
}
