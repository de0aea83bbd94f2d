// What a decision changed, as names and values to be read.

import { make } from './element.js';
import { amount, moment, nano, number, price } from './format.js';

const account = (say, id) => (typeof id === 'string' ? say(id) : `${say('member')} ${id.member}`);

const FIELDS = {
  register_member: ({ change, say }) => [
    [say('member'), change.member],
    [say('device'), change.device],
    [say('rated_power'), `${number(change.rated_power_w)} W`],
    [say('bus'), change.bus],
    [say('technology'), change.technology && say(change.technology)],
  ],
  replace_meter: ({ change, say }) => [
    [say('member'), change.member],
    [say('device'), change.device],
    [say('rated_power'), `${number(change.rated_power_w)} W`],
    [say('technology'), change.technology && say(change.technology)],
  ],
  revoke_device: ({ change, say }) => [[say('member'), change.member]],
  replace_key: ({ change, say }) => [[say('member'), change.member], [say('key'), change.key]],
  set_rules: ({ change, say, timeZone, currency }) => [
    [say('from'), moment(change.from, timeZone)],
    [say('retail_price'), `${price(change.rules.retail_price)} ${currency}`],
    [say('feed_in_price'), `${price(change.rules.feed_in_price)} ${currency}`],
    [say('mechanism'), change.rules.mechanism],
    [say('rule_pack'), change.rules.pack && `${change.rules.pack.id}, ${change.rules.pack.hash}`],
    [say('grid'), change.grid && `${change.grid.transformer}, ${number(change.grid.transformer_va / 1000, 1)} kVA`],
  ],
  set_market: ({ change, say }) => [[say('key'), change.key]],
  set_validators: ({ change, say }) => [
    [say('validators'), change.validators.map(({ key, power }) => `${key} (${number(power)})`).join('\n')],
  ],
  transfer: ({ change, say, currency }) => [
    [say('giver'), account(say, change.from)],
    [say('receiver'), account(say, change.to)],
    [say('amount'), `${amount(nano(change.amount), 9)} ${currency}`],
    [say('reference'), change.reference],
  ],
  correct: ({ change, say, timeZone }) => [
    [say('intervals'), change.intervals.map((interval) => moment(interval, timeZone)).join('\n')],
    [say('values_of'), change.members.join('\n')],
  ],
};

/** A decision as an item of the list. */
export function decision(decided, { say, timeZone, currency }) {
  const { sequence, height, open, approvals, signed, total, change } = decided;
  const fields = FIELDS[change.kind]?.({ change, say, timeZone, currency }) ?? [];
  const list = make('dl', 'fields');
  for (const [name, value] of fields.filter(([, value]) => value)) {
    list.append(make('div', '', make('dt', '', name), make('dd', '', value)));
  }
  const keys = make('ul', 'keys', ...approvals.map(({ validator }) => make('li', '', validator)));
  const who = make('details', '', make('summary', '', say('approved', { signed: number(signed), total: number(total) })), keys);
  const when = say('while_open', { height: number(height), interval: moment(open, timeZone) });
  const kind = FIELDS[change.kind] ? say(change.kind) : change.kind;
  return make('li', '', make('h3', '', `${number(sequence)}. ${kind}`), make('p', 'note', when), list, who);
}
