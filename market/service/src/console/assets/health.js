// How the market is: what the badge says, what is the matter, and whether the figures stand still.

import { age, moment } from './format.js';
import { say } from './say.js';
import { alarm, badge } from './server-words.js';

const QUIET_MS = 15_000; // the market says how it is every few seconds

const at = (id) => document.getElementById(id);
const LOOKS = { well: 'live', warning: 'live', waiting: 'waiting', stopped: 'lost' };

/** What the badge says, how it looks, and since when figures stand still (`null`: they are up to date). */
function judge(status, heardMs, connected) {
  if (connected === null) return { look: 'connecting', word: say('connecting'), stale: null };
  if (!connected) return { look: 'lost', word: say('disconnected'), stale: status?.at ?? null };
  if (status === null) return { look: 'connecting', word: say('connected'), stale: null };
  if (heardMs > QUIET_MS) return { look: 'lost', word: say('no_answer'), stale: status.at };
  const { level, word, stale_since: stale } = status.health;
  return { look: word === 'Starting' ? 'waiting' : LOOKS[level], word: badge(word), stale };
}

function paragraph(className, text) {
  const made = document.createElement('p');
  made.className = className;
  made.textContent = text;
  return made;
}

/** A trouble in words. How long it lasts is left out of what is read aloud: it changes every second. */
function trouble({ trouble: kind, level, since, what, means, action }) {
  const box = document.createElement('div');
  box.className = `trouble ${level}`;
  box.dataset.trouble = kind;
  const known = alarm(kind);
  const head = paragraph('what', `${known?.what ?? what} `);
  const when = document.createElement('span');
  when.className = 'since';
  const lasting = document.createElement('span');
  lasting.className = 'lasting';
  lasting.ariaHidden = 'true';
  when.append(say('since', { at: moment(since) }), lasting);
  head.append(when);
  box.append(head, paragraph('means', known?.means ?? means), paragraph('action', known?.action ?? action));
  if (known !== null) box.append(original([what, action]));
  return box;
}

/** What the market says itself, with what only it knows. */
export function original(sentences) {
  const said = paragraph('original', `${say('program_says')} `);
  const text = document.createElement('span');
  text.lang = 'en';
  text.textContent = sentences.join(' ');
  said.append(text);
  return said;
}

let drawn = '';

function drawTroubles(troubles, heardMs) {
  const section = at('troubles');
  // Told anew only where it says something else.
  const key = JSON.stringify(troubles.map(({ trouble: kind, since, what, means, action }) => [kind, since, what, means, action]));
  if (key !== drawn) {
    drawn = key;
    section.replaceChildren(...troubles.map(trouble));
    section.hidden = troubles.length === 0;
  }
  [...section.querySelectorAll('.lasting')].forEach((lasting, place) => {
    lasting.textContent = say('lasting', { age: age(troubles[place].for_s * 1000 + heardMs) });
  });
}

/** Draws all of it; `status` was heard `heardMs` ago, `connected` is `null` before the first attempt has ended. */
export function drawHealth(status, heardMs, connected) {
  const { look, word, stale } = judge(status, heardMs, connected);
  const live = at('live');
  live.dataset.state = look;
  if (at('live-text').textContent !== word) at('live-text').textContent = word;
  drawTroubles(status?.health.troubles ?? [], heardMs);
  const known = status !== null && status.totals !== null;
  const note = at('stale-note');
  const text = stale === null ? '' : known ? say('stale', { at: moment(stale) }) : '';
  if (note.textContent !== text) note.textContent = text;
  note.hidden = text === '';
  at('main').classList.toggle('stale', text !== '');
}
