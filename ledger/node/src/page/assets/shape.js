// What values look like: in JSON, as the program holds them, and in CBOR. A shape reads a JSON value (`read`, which
// throws where it is something else), and writes what it read as CBOR (`cbor`) and in its one JSON spelling (`json`).

import * as cbor from './cbor.js';
import { hex } from './hash.js';

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const I64_MAX = (1n << 63n) - 1n;

function need(isSo, expected) {
  if (!isSo) throw new TypeError(`expected ${expected}`);
}

/** A whole number of at most `bits` bits. */
export const unsigned = (bits = 64n) => ({
  read(value) {
    need(typeof value === 'bigint' && value >= 0n && value < 1n << bits, 'a whole number');
    return value;
  },
  cbor: cbor.integer,
  json: String,
});

/** `length` bytes as lowercase hex. */
export const hexadecimal = (length) => ({
  read(value) {
    need(typeof value === 'string' && value.length === 2 * length && /^[0-9a-f]*$/.test(value), `${2 * length} hex digits`);
    return Uint8Array.from({ length }, (_, at) => parseInt(value.slice(2 * at, 2 * at + 2), 16));
  },
  cbor: cbor.bytes,
  json: (bytes) => `"${hex(bytes)}"`,
});
export const hash = hexadecimal(32);
export const member = hexadecimal(16);

/** A public key as `did:key`. Held as `{ text, bytes }`. */
export const key = {
  read(text) {
    need(typeof text === 'string' && /^did:key:z[1-9A-HJ-NP-Za-km-z]{1,60}$/.test(text), 'a did:key');
    const number = Array.from(text.slice(9)).reduce((sum, digit) => sum * 58n + BigInt(BASE58.indexOf(digit)), 0n);
    const digits = number.toString(16);
    need(digits.length === 68 && digits.startsWith('ed01') && text[9] !== '1', 'the did:key of an Ed25519 key');
    return { text, bytes: hexadecimal(34).read(digits).slice(2) };
  },
  cbor: ({ bytes }) => cbor.bytes(bytes),
  json: ({ text }) => `"${text}"`,
};

/** `2026-06-01T12:00:00Z/PT15M`. Held as `{ text, start, minutes }`. */
export const interval = {
  read(text) {
    const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\/PT(5M|15M|30M|1H)$/.exec(text);
    need(typeof text === 'string' && parts, 'an interval such as 2026-06-01T12:00:00Z/PT15M');
    const time = Date.parse(parts[1]);
    need(!Number.isNaN(time) && new Date(time).toISOString() === parts[1].replace('Z', '.000Z'), 'a date that exists');
    const [start, minutes] = [BigInt(time / 1000), parts[2] === '1H' ? 60n : BigInt(parts[2].slice(0, -1))];
    need(start % (60n * minutes) === 0n, 'a start that is a multiple of the length');
    return { text, start, minutes };
  },
  cbor: ({ start, minutes }) => cbor.array([cbor.integer(start), cbor.integer(minutes)]),
  json: ({ text }) => `"${text}"`,
};

/** A decimal as text, held in units of its last possible digit. */
export const decimal = (digits) => ({
  read(text) {
    const parts = /^(-?)(\d{1,13})(?:\.(\d+))?$/.exec(text);
    need(typeof text === 'string' && parts && (parts[3] ?? '').length <= digits, `a decimal of at most ${digits} places`);
    const units = BigInt(parts[2] + (parts[3] ?? '').padEnd(digits, '0')) * (parts[1] ? -1n : 1n);
    need(units <= I64_MAX && units >= -I64_MAX - 1n, 'a smaller amount');
    return units;
  },
  cbor: cbor.integer,
  json: (units) => `"${decimalText(units, digits)}"`,
});
export const price = decimal(6);
export const money = decimal(9);

/** The shortest decimal of `units`. */
export function decimalText(units, digits) {
  const magnitude = String(units < 0n ? -units : units).padStart(digits + 1, '0');
  const part = magnitude.slice(-digits).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${magnitude.slice(0, -digits)}${part && `.${part}`}`;
}

export const text = {
  read(value) {
    need(typeof value === 'string', 'a text');
    return value;
  },
  cbor: cbor.text,
  json: JSON.stringify,
};

/** One of `names`, in CBOR its number. */
export const oneOf = (names) => ({
  read(value) {
    need(names.includes(value), `one of ${names.join(', ')}`);
    return value;
  },
  cbor: (value) => cbor.integer(BigInt(names.indexOf(value))),
  json: JSON.stringify,
});
export const technology = oneOf(['solar', 'wind', 'hydro', 'biomass', 'geothermal']);

/** What is left out where it is not so. */
export const yes = {
  read(value) {
    need(value === true, 'true');
    return true;
  },
  cbor: () => cbor.TRUE,
  json: () => 'true',
};

/** A value or null, written as null. */
export const nullable = (shape) => ({
  read: (value) => (value === null ? null : shape.read(value)),
  cbor: (value) => (value === null ? cbor.NULL : shape.cbor(value)),
  json: (value) => (value === null ? 'null' : shape.json(value)),
});

/** A list of at most `most`. */
export const list = (shape, most) => ({
  read(values) {
    need(Array.isArray(values) && values.length <= most, `a list of at most ${most}`);
    return values.map((value, at) => within(at, () => shape.read(value)));
  },
  cbor: (values) => cbor.array(values.map(shape.cbor)),
  json: (values) => `[${values.map(shape.json).join(',')}]`,
});

/** A field that may be left out; null means the same where JSON is read for people. */
export const optional = (shape) => ({ ...shape, isOptional: true });
/** A field that is `value` where it is left out. */
export const defaulting = (shape, value) => ({ ...shape, isOptional: true, value });

/** An object of these fields and no others; in CBOR an array in this order, which ends with the last that is there. */
export function record(fields) {
  const entries = Object.entries(fields);
  return {
    read(object) {
      need(object instanceof Map, 'an object');
      for (const name of object.keys()) need(Object.hasOwn(fields, name), `no field ${JSON.stringify(name)}`);
      const held = {};
      for (const [name, shape] of entries) {
        const isAbsent = !object.has(name) || (shape.isOptional && object.get(name) === null);
        need(!isAbsent || shape.isOptional, `a field ${name}`);
        held[name] = isAbsent ? shape.value : within(name, () => shape.read(object.get(name)));
      }
      return held;
    },
    cbor(held) {
      const items = entries.map(([name, shape]) => (held[name] === undefined ? null : shape.cbor(held[name])));
      while (items.length && items.at(-1) === null) items.pop();
      return cbor.array(items.map((item) => item ?? cbor.NULL));
    },
    json(held) {
      const there = entries.filter(([name]) => held[name] !== undefined);
      return `{${there.map(([name, shape]) => `"${name}":${shape.json(held[name])}`).join(',')}}`;
    },
  };
}

/** Does `step`; what it throws says where. */
function within(place, step) {
  try {
    return step();
  } catch (error) {
    throw new TypeError(`${place}: ${error.message}`);
  }
}
