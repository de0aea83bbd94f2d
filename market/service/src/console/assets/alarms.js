// The list of alarms: what is on, and what was.

import { ask } from './ask.js';
import { moment, number } from './format.js';
import { original } from './health.js';
import { say } from './say.js';
import { alarm } from './server-words.js';

const EVERY_MS = 10_000;
const HISTORY_SHOWN = 20; // the CSV has all

const SEVERITIES = { warning: say('severity_warning'), critical: say('severity_critical') };

const at = (id) => document.getElementById(id);

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** A button that says: I know of it. */
function acknowledge(name, called) {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = '/alarms/acknowledge';
  const field = document.createElement('input');
  field.type = 'hidden';
  field.name = 'alarm';
  field.value = name;
  const button = element('button', say('acknowledge'));
  button.setAttribute('aria-label', `${say('acknowledge')}: ${called}`);
  form.append(field, button);
  return form;
}

/** An alarm in words: what, since when and until when, the cause, and while it is on what to do. */
function item({ name, severity, since, cleared, cause, action, acknowledged }, you) {
  const made = document.createElement('li');
  made.dataset.alarm = name;
  const known = alarm(name);
  const called = known?.what ?? name.replaceAll('_', ' ');
  const times = { severity: SEVERITIES[severity] ?? severity, since: moment(since), cleared: cleared ? moment(cleared) : '' };
  const head = element('p', '', 'alarm-head');
  head.append(element('b', called), ` ${say(cleared ? 'alarm_over' : 'alarm_on', times)}`);
  made.append(head, known === null ? element('p', cause) : original([cause]));
  if (!cleared) made.append(element('p', known?.action ?? action));
  if (acknowledged) {
    made.append(element('p', say('acknowledged', { by: acknowledged.by, at: moment(acknowledged.at) }), 'note'));
  } else if (you && !cleared) {
    made.append(acknowledge(name, called));
  }
  return made;
}

let drawn = '';

function draw(text) {
  if (text === drawn) return;
  drawn = text;
  const { on, history, you } = JSON.parse(text);
  at('alarms-on').replaceChildren(...on.map((one) => item(one, you)));
  at('alarms-history').replaceChildren(...history.slice(0, HISTORY_SHOWN).map((one) => item(one, null)));
  at('alarms-over').hidden = history.length === 0;
  at('alarms-count').textContent = say('over_count', { n: number(history.length) });
  at('alarms-note').textContent = on.length === 0 ? say('none_on') : say('some_on', { n: number(on.length) });
}

async function follow() {
  try {
    const answer = await ask('/api/v1/alarms');
    if (!answer.ok) throw new Error(String(answer.status));
    draw(await answer.text());
    at('alarms-card').classList.remove('stale');
  } catch {
    // What was heard last stays, and does not look as if it were of now.
    drawn = '';
    at('alarms-card').classList.add('stale');
    at('alarms-note').textContent = say('alarms_unknown');
  }
  setTimeout(follow, EVERY_MS);
}

follow();
