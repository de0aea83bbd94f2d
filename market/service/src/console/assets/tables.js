// Households, validators, accounts, refusals and late readings as tables and lists.

import { make } from './element.js';
import { age, kwh, money, nano, number } from './format.js';
import { count, say } from './say.js';
import { language } from './words.js';

const COLUMNS = [
  { key: 'name', label: say('household') },
  { key: 'bought_wh', label: say('bought'), unit: 'kWh', edge: true },
  { key: 'sold_wh', label: say('sold'), unit: 'kWh' },
  { key: 'paid', label: say('paid'), unit: 'currency' },
  { key: 'earned', label: say('earned'), unit: 'currency' },
  { key: 'imported_wh', label: say('drawn'), unit: 'kWh', edge: true },
  { key: 'exported_wh', label: say('fed_in'), unit: 'kWh' },
  { key: 'supply_cost', label: say('cost'), unit: 'currency' },
  { key: 'supply_revenue', label: say('revenue'), unit: 'currency' },
  { key: 'net', label: say('net'), unit: 'currency', edge: true, signed: true },
];
const ROWS_AT_ONCE = 200;
const byName = new Intl.Collator(language, { numeric: true }).compare;

/** The table of households: sortable, filtered by name, a bounded number of rows at once. */
export class Households {
  constructor(onSort) {
    this.sort = { key: 'name', descending: false };
    this.shown = ROWS_AT_ONCE;
    this.filter = '';
    this.onSort = onSort;
    const row = document.getElementById('columns');
    for (const column of COLUMNS) {
      const button = make('button', '', make('span', 'label', column.label));
      if (column.unit) button.append(make('small', '', column.unit));
      button.type = 'button';
      button.addEventListener('click', () => this.sortBy(column.key));
      const cell = make('th', column.edge ? 'edge' : '', button);
      cell.scope = 'col';
      row.append(cell);
    }
  }

  /** Writes the currency into the column heads. */
  units(currency) {
    document.querySelectorAll('#columns small').forEach((small, index) => {
      if (COLUMNS[index + 1].unit === 'currency') small.textContent = currency;
    });
  }

  sortBy(key) {
    const same = this.sort.key === key;
    this.sort = { key, descending: same ? !this.sort.descending : key !== 'name' };
    this.onSort();
  }

  more() {
    this.shown += ROWS_AT_ONCE;
    this.onSort();
  }

  /** Every row, as on paper. */
  whole() {
    this.shown = Infinity;
    this.onSort();
  }

  find(text) {
    this.filter = text.trim().toLowerCase();
    this.shown = ROWS_AT_ONCE;
    this.onSort();
  }

  /** Draws `households`; `digits` are the decimals of energies and amounts. Without a `known` figure there is none to show. */
  draw(households, digits, known) {
    const { key, descending } = this.sort;
    const value = (household) => (typeof household[key] === 'number' ? BigInt(household[key]) : nano(household[key]));
    const ascending = key === 'name'
      ? (a, b) => byName(a.name, b.name)
      : (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    const found = households.filter((household) => household.name.toLowerCase().includes(this.filter));
    found.sort((a, b) => (descending ? ascending(b, a) : ascending(a, b)) || byName(a.name, b.name));

    document.querySelectorAll('#columns th').forEach((cell, index) => {
      if (COLUMNS[index].key === key) cell.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    });
    const rows = found.slice(0, this.shown).map((household) => this.row(household, digits, known));
    if (rows.length === 0) {
      const none = make('td', 'none', say(this.filter ? 'no_such_household' : 'no_household_yet'));
      none.colSpan = COLUMNS.length;
      rows.push(make('tr', '', none));
    }
    document.getElementById('rows').replaceChildren(...rows);
    document.getElementById('sums').replaceChildren(this.sums(found, digits, known));
    document.getElementById('more').hidden = found.length <= this.shown;
    document.getElementById('show-more').textContent = count('show_more', found.length);
    return found.length;
  }

  row(household, digits, known) {
    const unnamed = household.name === household.member;
    const label = make('span', unnamed ? 'name unnamed' : 'name', household.name);
    const who = make('div', 'who', label);
    if (household.bus) who.append(make('small', 'bus', household.bus));
    if (!household.metered) who.append(make('small', 'unmetered', say('no_device')));
    const name = make('th', '', who);
    name.scope = 'row';
    // Whole, however little of it has room.
    name.title = [unnamed ? say('no_name') : household.name, household.member, household.bus].filter(Boolean).join('\n');
    const cells = COLUMNS.slice(1).map((column) => {
      if (!known) return unknown(column);
      const found = household[column.key];
      return typeof found === 'number'
        ? cell(column, found, kwh(found, digits.energy), `${found} Wh`)
        : cell(column, nano(found), money(nano(found), digits.money), found);
    });
    return make('tr', '', name, ...cells);
  }

  sums(households, digits, known) {
    const head = make('th', '', say('sum'));
    head.scope = 'row';
    const cells = COLUMNS.slice(1).map((column) => {
      if (!known) return unknown(column);
      if (column.unit === 'kWh') {
        const sum = households.reduce((total, household) => total + household[column.key], 0);
        return cell(column, sum, kwh(sum, digits.energy), `${sum} Wh`);
      }
      const sum = households.reduce((total, household) => total + nano(household[column.key]), 0n);
      return cell(column, sum, money(sum, digits.money), '');
    });
    return make('tr', '', head, ...cells);
  }
}

function cell(column, value, text, title) {
  const zero = typeof value === 'bigint' ? value === 0n : value === 0;
  const look = zero ? 'zero' : column.signed && value > 0n ? 'gain' : '';
  const made = make('td', ['number', look, column.edge ? 'edge' : ''].join(' ').trim(), text);
  if (title && !zero) made.title = title;
  return made;
}

const unknown = (column) => make('td', column.edge ? 'number zero edge' : 'number zero', '–');

/** Validators; ages run on by `sinceMs` since they were told. */
export function drawValidators(validators, sinceMs) {
  const rows = validators.map((validator) => {
    const name = make('th', '', validator.url.replace(/^https?:\/\//, '').replace(/\/$/, ''));
    name.scope = 'row';
    name.title = [validator.url, validator.key, validator.block && say('block', { hash: validator.block })].filter(Boolean).join('\n');
    const height = validator.height === null ? '–' : number(validator.height);
    const old = validator.height_age_ms === null ? '–' : age(validator.height_age_ms + sinceMs);
    const lag = validator.lag === null ? '–' : number(validator.lag);
    name.title += validator.silence === null ? '' : `\n${validator.silence}`;
    const [look, word] = validator.away ? ['bad', say('down')] : !validator.reachable ? ['warn', say('slow')]
      : validator.lag > 2 ? ['warn', say('behind')] : ['good', say('up')];
    return make('tr', '', name, make('td', 'number', height), make('td', 'number', old),
      make('td', validator.lag === 0 ? 'number zero' : 'number', lag), make('td', '', make('span', `badge ${look}`, word)));
  });
  if (rows.length === 0) {
    const none = make('td', 'none', say('none_asked'));
    none.colSpan = 5;
    rows.push(make('tr', '', none));
  }
  document.getElementById('validators').replaceChildren(...rows);
}

function entry(name, text, look = '', title = '') {
  const value = make('dd', '', text);
  if (title) value.title = title;
  return make('div', look, make('dt', '', name), value);
}

/** Refusals by name, zeros dimmed. */
export function drawRefusals(refusals) {
  const total = refusals.reduce((sum, refusal) => sum + refusal.count, 0);
  document.getElementById('refusals-note').textContent = total === 0 ? say('none') : say('in_all', { n: number(total) });
  const entries = refusals.map(({ refusal, count }) => entry(refusal, number(count), count === 0 ? 'zero' : 'hit'));
  document.getElementById('refusals').replaceChildren(...entries);
}

const NOTED = {
  late: (reason) => say('late', { reason }),
  provisional: (reason) => say('provisional', { reason }),
};

/** Readings that were late or settled provisionally, by reason; a kind without any says so. */
export function drawNoted(noted) {
  const total = noted.reduce((sum, { count }) => sum + count, 0);
  document.getElementById('noted-note').textContent = total === 0 ? say('none') : say('in_all', { n: number(total) });
  const entries = Object.entries(NOTED).flatMap(([what, word]) => {
    const found = noted.filter((entry) => entry.what === what);
    return found.length === 0
      ? [entry(word(say('any_reason')), number(0), 'zero')]
      : found.map(({ reason, count }) => entry(word(reason), number(count), count === 0 ? 'zero' : 'hit'));
  });
  document.getElementById('noted').replaceChildren(...entries);
}

/** What the accounts gained, and that they balance; of what nobody knows yet, nothing is said. */
export function drawAccounts(totals, currency) {
  if (totals === null) {
    document.getElementById('accounts').replaceChildren(
      ...[say('households'), say('supplier'), say('grid_operator'), say('all_accounts')].map((name) => entry(name, say('not_known_yet'), 'zero')));
    return;
  }
  const amount = (name, text) => {
    const nanos = nano(text);
    return entry(name, `${money(nanos, 2)} ${currency}`, nanos === 0n ? 'zero' : 'hit', text);
  };
  const balanced = nano(totals.accounts_sum) === 0n;
  const sum = make('div', '', make('dt', '', say('all_accounts')),
    make('dd', '', make('span', `badge ${balanced ? 'good' : 'bad'}`, balanced ? say('exactly_0') : totals.accounts_sum)));
  document.getElementById('accounts').replaceChildren(
    amount(say('households'), totals.members), amount(say('supplier'), totals.supplier),
    amount(say('grid_operator'), totals.operator), sum);
}
