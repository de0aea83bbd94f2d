// What the validators decided: who approved, when, and what it changed.

import { number, price } from './format.js';
import { ask, at, kwh, money, row, say, wall } from './history-parts.js';

const NAMED_MAX = 5;
const KEY_LETTERS = 16;

const beginning = (interval) => interval.split('/')[0];

/** What a decision changed, in words; `named` says what members are called. */
function changed(change, named, currency) {
  const account = (id) => (id === 'supplier' ? say('supplier') : id === 'operator' ? say('operator') : named(id.member ?? id));
  const watts = (power) => number(power);
  switch (change.kind) {
    case 'register_member': {
      const values = { member: named(change.member), bus: change.bus, power: watts(change.rated_power_w) };
      return change.bus === null ? say('change_register', values) : say('change_register_at', values);
    }
    case 'replace_meter':
      return say('change_meter', { member: named(change.member), import: kwh(change.import_wh), export: kwh(change.export_wh) });
    case 'revoke_device':
      return say('change_revoke', { member: named(change.member) });
    case 'replace_key':
      return say('change_key', { member: named(change.member) });
    case 'set_rules': {
      const { mechanism, retail_price: retail, feed_in_price: feedIn } = change.rules;
      const rules = say('change_rules', { from: beginning(change.from), mechanism, retail: price(retail), feed_in: price(feedIn) });
      if (change.grid === null) return rules;
      return `${rules}; ${say('change_grid', { lines: number(change.grid.lines), transformer: change.grid.transformer })}`;
    }
    case 'set_market':
      return say('change_market', { key: change.key });
    case 'set_validators':
      return say('change_validators', { count: number(change.validators.length) });
    case 'transfer': {
      const values = {
        amount: `${money(change.amount)} ${currency}`, from: account(change.from), to: account(change.to), reference: change.reference,
      };
      return change.reference === '' ? say('change_transfer', values) : say('change_transfer_for', values);
    }
    case 'correct': {
      const names = change.members.slice(0, NAMED_MAX).map(named);
      if (change.members.length > NAMED_MAX) names.push('…');
      return say('change_correct', {
        count: number(change.intervals.length), first: beginning(change.intervals[0]), last: beginning(change.intervals.at(-1)),
        members: names.join(', '),
      });
    }
    default: // of a later version than this page
      return JSON.stringify(change);
  }
}

/** Who approved: keys are long, and one tells them apart by their first letters. */
function approvals({ approved_by: keys, signed, total }) {
  const made = document.createElement('span');
  made.title = keys.join('\n');
  const short = keys.map((key) => `${key.replace('did:key:', '').slice(0, KEY_LETTERS)}…`);
  made.textContent = `${say('power', { signed: number(signed), total: number(total) })}: ${short.join(', ')}`;
  return made;
}

/** Lists the decisions up to a number, the latest first; `named` says what members are called. */
export async function showDecisions(named, currency, until = null) {
  at('decisions-said').textContent = say('loading');
  try {
    const query = until === null ? '' : `?until=${until}`;
    const { decisions, older } = await ask(`/api/v1/decisions${query}`);
    at('decisions-csv').href = `/api/v1/decisions.csv${query}`;
    at('decisions-said').textContent = decisions.length === 0 ? say('decisions_none') : say('decisions_found');
    for (const id of ['decisions-table', 'decisions-csv']) at(id).hidden = decisions.length === 0;
    at('decisions-older').hidden = older === null;
    at('decisions-older').onclick = () => showDecisions(named, currency, older);
    at('decision-rows').replaceChildren(...decisions.map((of) => row([
      number(of.sequence), `${of.local.slice(0, 10)} ${wall(of.local)}`, number(of.height), changed(of.change, named, currency), approvals(of),
    ], (column) => column === 2)));
  } catch (error) {
    at('decisions-said').textContent = say('failed', { reason: error.message });
  }
}
