// What the browser's own cryptography (WebCrypto) does: SHA-256 and Ed25519.

import { Refused } from './refused.js';

/** SHA-256 of bytes. */
export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

/** Whether `signature` is that of the 32 bytes `key` over `message` (RFC 8032). */
export async function verifies(key, signature, message) {
  try {
    const imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, signature, message);
  } catch (error) {
    if (error.name === 'DataError') return false;
    throw error;
  }
}

/** Throws where this browser cannot check a signature: `no_secure_context` or `no_ed25519`. */
export async function needCryptography() {
  if (!globalThis.crypto?.subtle) {
    throw new Refused('no_secure_context', 'a browser does cryptography over https, and on 127.0.0.1, only');
  }
  try {
    await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
  } catch {
    throw new Refused('no_ed25519', 'this browser has no Ed25519 (WebCrypto); use a newer one');
  }
}

/** Bytes as lowercase hex. */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
/** Whether two byte strings are the same. */
export const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);
