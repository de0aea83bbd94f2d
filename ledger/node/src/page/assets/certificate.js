// The page of one certificate: who made the Wh, who claimed it and for whom, asked of this node, and checked here.

import { TEXTS as CHECKED } from './check-words.js';
import { TEXTS as OWN } from './certificate-words.js';
import { make } from './element.js';
import { moment, number } from './format.js';
import { readGenesis } from './genesis.js';
import { hex, needCryptography, same } from './hash.js';
import { offer } from './language.js';
import { Refused } from './refused.js';
import { checkName, checkRetirement, founderOf, readAnswer } from './retirement.js';
import { line, paragraph, refusal, signers } from './verdict.js';
import { LANGUAGES, speak, speaker } from './words.js';

const say = speaker(Object.fromEntries(LANGUAGES.map((language) => [language, { ...CHECKED[language], ...OWN[language] }])));
const at = (id) => document.getElementById(id);
const PATIENCE_MS = 10_000;

/** What is checked, in this order; which of it a refusal is of. */
const STEPS = ['genesis', 'claim', 'blocks', 'in_block', 'signature', 'origin'];
const STEP_OF = {
  malformed_genesis: 'genesis',
  malformed_retirement: 'claim',
  other_certificate: 'claim',
  not_in_block: 'in_block',
  not_signed: 'signature',
  other_producer: 'origin',
};

let community = null;
/** The certificate that is shown: its name, and what the node answered. */
let shown = null;
let asked = 0;

const ask = (path) => fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });

/** The name in the address, `#START/DEVICE/NUMBER`, whatever its parts are; null if nothing was asked for. */
function named() {
  const hash = location.hash.slice(1);
  if (hash === '') return null;
  let parts = [];
  try {
    parts = hash.split('/').map(decodeURIComponent);
  } catch {
    // Not the encoding of anything: no name.
  }
  const [start = '', device = '', count = '', ...more] = parts;
  return { start, device, number: more.length ? '' : count };
}

const zone = () => community?.time_zone ?? 'UTC';

function alarm(text) {
  at('alarm').textContent = text;
  at('alarm').hidden = text === '';
}

const fields = (...rows) => make('dl', 'fields', ...rows.map(([name, value]) =>
  make('div', '', make('dt', '', say(name)), make('dd', '', value))));

const station = (name, ...details) => make('li', '', make('h3', '', say(name)), ...details);

function stations({ number: count }, { producer, technology, bus, open, proved: { retirement, header } }) {
  const { certificates: { interval, device, first, energy }, member, purpose, beneficiary } = retirement;
  const kept = same(member, producer);
  return [
    station('made', fields(['interval', moment(interval.text, zone())], ['energy', say('one_wh', { number: number(count) })],
      ['technology', say(technology)], ['member', hex(producer)], ['bus', bus ?? say('no_bus')], ['device', device.text])),
    station('held', paragraph(say(kept ? 'held_by_producer' : 'held_by_neighbour')), fields(['member', hex(member)])),
    station('retired', paragraph(say('while_open', { height: number(header.height), interval: moment(open.text, zone()) })),
      fields(['with', say('numbers', { first: number(first), last: number(first + energy - 1n), count: number(energy) })])),
    station('claimed_for', fields(['beneficiary', beneficiary ?? say('member_itself')], ['purpose', purpose || say('no_purpose')])),
  ];
}

function hideAll(text) {
  shown = null;
  for (const id of ['way', 'check']) at(id).hidden = true;
  at('said').textContent = text;
}

async function answered(name) {
  if (!name.start || !name.device || !/^\d{1,19}$/.test(name.number)) return say('bad_name');
  const answer = await ask(`/v1/retirements/${[name.start, name.device, name.number].map(encodeURIComponent).join('/')}`);
  if (answer.status === 404) return say('unknown');
  if (answer.status === 400) return say('bad_name');
  if (answer.status === 401 || answer.status === 403) throw new Error(say('not_public'));
  if (!answer.ok) throw new Error(say('answered', { status: answer.status }));
  const read = readAnswer(await answer.text());
  checkName(read.proved, name);
  return read;
}

async function show() {
  const own = ++asked;
  const name = named();
  for (const id of ['start', 'device', 'number']) if (name) at(id).value = name[id];
  at('main').setAttribute('aria-busy', 'true');
  alarm('');
  let said = '';
  let found = null;
  try {
    community ??= await ask('/v1/community').then((answer) => (answer.ok ? answer.json() : null));
    const answer = name === null ? '' : await answered(name);
    if (typeof answer === 'string') said = answer;
    else found = answer;
  } catch (error) {
    const isAway = error instanceof TypeError || error.name === 'TimeoutError';
    const text = error instanceof Refused ? `${say('not_believed')} ${say(error.name)}` : error.message;
    if (own === asked) alarm(isAway ? say('never_answered') : text);
  }
  // What was asked for meanwhile is shown by a later call.
  if (own !== asked) return;
  at('main').setAttribute('aria-busy', 'false');
  if (community) document.title = `${say('subtitle')} – ${community.name}`;
  if (community) at('name').textContent = community.name;
  hideAll(said);
  if (!found) return;
  shown = { name, found };
  at('stations').replaceChildren(...stations(name, found));
  for (const id of ['way', 'check']) at(id).hidden = false;
  await check();
}

/** What the genesis says of the device, and whether that is what the node says. */
function origin(genesis, { producer, technology, proved }) {
  const { device } = proved.retirement.certificates;
  const founder = founderOf(genesis, device, producer);
  const agrees = founder?.technology === technology;
  return line(say, agrees ? 'passed' : 'not_reached', say('origin'), paragraph(say(agrees ? 'origin_of_genesis' : 'origin_later')));
}

async function check() {
  const [file] = at('genesis').files;
  if (!shown) return;
  if (!file) {
    at('checked').replaceChildren(paragraph(say('give_genesis')));
    return;
  }
  const { name, found } = shown;
  let result;
  try {
    await needCryptography();
    const genesis = await readGenesis(new Uint8Array(await file.arrayBuffer()));
    const blocks = await checkRetirement(found.proved, genesis);
    const list = [
      line(say, 'passed', say('genesis'), paragraph(say('genesis_of', { community: genesis.community })), make('code', '', hex(genesis.chain))),
      line(say, 'passed', say('claim'), paragraph(say('claim_of', { number: number(name.number) }))),
      line(say, 'passed', say('blocks'), ...signers(say, blocks)),
      line(say, 'passed', say('in_block'), paragraph(say('in_block_path', { height: found.proved.header.height }))),
      line(say, 'passed', say('signature'), make('p', '', make('code', '', found.proved.key.text))),
      origin(genesis, found),
    ];
    result = [make('p', 'verdict-line good', say('is_proved')), make('ol', 'steps', ...list)];
  } catch (error) {
    result = refusal(say, error, STEPS, STEP_OF);
  }
  // Another file, or another certificate, is checked by a later call.
  if (shown?.found === found && at('genesis').files[0] === file) at('checked').replaceChildren(...result);
}

speak(say);
offer();
at('which').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = ['start', 'device', 'number'].map((id) => encodeURIComponent(at(id).value.trim())).join('/');
  if (location.hash === `#${name}`) show();
  else location.hash = name;
});
at('genesis').addEventListener('change', check);
addEventListener('hashchange', show);
show();
