// Deterministic CBOR (RFC 8949 §4.2.1), as far as the protocol has it: what is hashed and signed.

/** `parts` in one. */
export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The head of an item: its major type, and its argument (a BigInt) as short as it can be. */
function head(major, argument) {
  const type = major << 5;
  if (argument < 24n) return Uint8Array.of(type | Number(argument));
  const size = argument < 1n << 8n ? 0 : argument < 1n << 16n ? 1 : argument < 1n << 32n ? 2 : 3;
  const bytes = new Uint8Array(1 + (1 << size));
  bytes[0] = type | (24 + size);
  for (let at = bytes.length - 1, rest = argument; at > 0; at -= 1, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}

/** An integer, given as BigInt. */
export const integer = (value) => (value < 0n ? head(1, -1n - value) : head(0, value));
/** A byte string. */
export const bytes = (value) => concat([head(2, BigInt(value.length)), value]);
/** A text string. */
export function text(value) {
  const utf8 = new TextEncoder().encode(value);
  return concat([head(3, BigInt(utf8.length)), utf8]);
}
/** An array of items that are CBOR already. */
export const array = (items) => concat([head(4, BigInt(items.length)), ...items]);
export const TRUE = Uint8Array.of(0xf5);
export const NULL = Uint8Array.of(0xf6);
