// JSON (RFC 8259) without what JSON.parse lets pass or loses: integers stay exact, and a name stands once.

const DEPTH_MAX = 16;
const TOKEN = /[\t\n\r ]*(?:([[\]{}:,])|(true|false|null)|(-?(?:0|[1-9][0-9]*))(?![0-9.eE])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"))/y;

/**
 * The value that `text` is: objects as maps, integers as BigInt. Throws a SyntaxError where it is no JSON, has a number
 * that is no integer, a name twice, or is nested deeper than anything of ours.
 */
export function readJson(text) {
  let at = 0;
  const fail = (what) => {
    throw new SyntaxError(`${what} at character ${at + 1}`);
  };
  const next = () => {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (!token) fail('no JSON');
    at = TOKEN.lastIndex;
    return token;
  };
  const items = (close, one) => {
    const start = at;
    if (next()[1] === close) return;
    at = start;
    for (;;) {
      one();
      const mark = next()[1];
      if (mark === close) return;
      if (mark !== ',') fail(`no , or ${close}`);
    }
  };
  const value = (depth) => {
    if (depth > DEPTH_MAX) fail('nested too deep');
    const [, mark, word, integer, string] = next();
    if (word) return { true: true, false: false, null: null }[word];
    if (integer) return BigInt(integer);
    if (string) return JSON.parse(string);
    if (mark === '[') {
      const list = [];
      items(']', () => list.push(value(depth + 1)));
      return list;
    }
    if (mark !== '{') fail(`a ${mark} too many`);
    const object = new Map();
    items('}', () => {
      const name = next()[4];
      if (!name) fail('no name');
      const key = JSON.parse(name);
      if (object.has(key)) fail(`${key} twice`);
      if (next()[1] !== ':') fail('no :');
      object.set(key, value(depth + 1));
    });
    return object;
  };
  const found = value(0);
  if (/[^\t\n\r ]/.test(text.slice(at))) fail('something after the end');
  return found;
}
