// The list of alarms: what is on, and what was.

const EVERY_MS = 10_000;
const HISTORY_SHOWN = 20; // the CSV has all

const at = (id) => document.getElementById(id);

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function moment(text) {
  const time = element('time', text);
  time.dateTime = text;
  return time;
}

/** An alarm in words: its name, since when and until when, the cause, and while it is on what to do. */
function item({ name, severity, since, cleared, cause, action, acknowledged }) {
  const made = document.createElement('li');
  made.dataset.alarm = name;
  const head = element('p', '', 'alarm-head');
  head.append(element('b', name.replaceAll('_', ' ')), ` ${severity}, since `, moment(since));
  if (cleared) head.append(' until ', moment(cleared));
  made.append(head, element('p', cause));
  if (!cleared) made.append(element('p', action));
  if (acknowledged) {
    const known = element('p', `Acknowledged by ${acknowledged.by}, `, 'note');
    known.append(moment(acknowledged.at));
    made.append(known);
  }
  return made;
}

let drawn = '';

function draw(text) {
  if (text === drawn) return;
  drawn = text;
  const { on, history } = JSON.parse(text);
  at('alarms-on').replaceChildren(...on.map(item));
  at('alarms-history').replaceChildren(...history.slice(0, HISTORY_SHOWN).map(item));
  at('alarms-over').hidden = history.length === 0;
  at('alarms-count').textContent = `Over: ${history.length}`;
  at('alarms-note').textContent = on.length === 0 ? 'None is on.' : `${on.length} on`;
}

async function follow() {
  try {
    const answer = await fetch('/api/v1/alarms');
    if (!answer.ok) throw new Error(String(answer.status));
    draw(await answer.text());
  } catch {
    drawn = '';
    at('alarms-note').textContent = 'Not known: the market does not answer.';
  }
  setTimeout(follow, EVERY_MS);
}

follow();
