// How a check is shown: a line for each step, who signed which block, and what is refused by which name.

import { make } from './element.js';
import { Refused } from './refused.js';

export const paragraph = (text) => make('p', 'note', text);

/** A line of the list: what was checked, and what came of it (`passed`, `refused` or `not_reached`). */
export function line(say, look, what, ...details) {
  return make('li', look, make('span', 'verdict', say(look)), make('div', '', make('b', '', what), ...details));
}

/** Who signed the blocks that were checked. */
export const signers = (say, blocks) => blocks.flatMap(({ height, signers: keys, power, total }) => [
  paragraph(say('block_signed', { height, power, total })),
  make('ul', 'keys', ...keys.map((key) => make('li', '', key))),
]);

/** What is shown of a refusal. `steps` are checked in this order, `stepOf` says which a name is of, if not of the blocks. */
export function refusal(say, error, steps, stepOf) {
  const name = error instanceof Refused ? error.name : 'unreadable';
  const failed = steps.indexOf(stepOf[name] ?? 'blocks');
  // Without cryptography, or without a file's bytes, nothing was checked at all.
  const before = ['no_secure_context', 'no_ed25519', 'unreadable'].includes(name);
  const shown = before ? [] : steps.map((step, number) => {
    if (number !== failed) return line(say, number < failed ? 'passed' : 'not_reached', say(step));
    return line(say, 'refused', say(step), make('p', '', make('code', 'name', name), ` ${say(name)}`), paragraph(error.detail));
  });
  const said = before ? `${say('cannot_check')} ${say(name)}` : say('is_refused', { name });
  return [make('p', 'verdict-line bad', said), make('ol', 'steps', ...shown)];
}
