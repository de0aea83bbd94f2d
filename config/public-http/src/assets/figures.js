// Figures as people read them, in the page's language. Exact decimal text comes in; only what is shown is rounded.

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

/** Decimal text as whole nano-units: exact, to sum and to sort by. */
export function nano(text) {
  const [, sign, units, decimals = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [null, '', '0'];
  const magnitude = BigInt(units) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0').slice(0, 9));
  return sign ? -magnitude : magnitude;
}

/** Whole nano-units as an amount. */
export const money = (nanos, digits) => number(Number(nanos) / 1e9, digits);
