// The light client against the published vectors, and against every byte of a receipt changed.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { header, validatorsHash, vote } from '../assets/block.js';
import { readGenesis } from '../assets/genesis.js';
import { hex, needCryptography, sha256, verifies } from '../assets/hash.js';
import { readJson } from '../assets/json.js';
import { checkReceipt, entry, readReceipt } from '../assets/receipt.js';
import { checkName, checkRetirement, founderOf, message, readAnswer, readRetirement } from '../assets/retirement.js';
import { hash, hexadecimal, key } from '../assets/shape.js';

// Older versions of Node.js have it, and not as a global.
globalThis.crypto ??= webcrypto;

const vectors = (file) => JSON.parse(readFileSync(new URL(`../../../../../protocol/vectors/${file}`, import.meta.url)));
const encode = (text) => new TextEncoder().encode(text);
const genesisOf = (vector) => readGenesis(encode(JSON.stringify(vector.genesis)));

/** The fields of each object in the order of the one spelling, as docs/protocol.md has it; the vectors sort them. */
const ORDER = `entry validator retirement key signature proof header certificate steps interval device first energy price line
  correction tariffs retail_price feed_in_price member sequence certificates purpose beneficiary power index path chain height
  round previous block validators next_validators transactions entries state leaves hash signatures bought sold imported
  exported paid earned supply_cost supply_revenue neighbours provisional technology`.split(/\s+/);

function spell(value) {
  if (Array.isArray(value)) return `[${value.map(spell).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const names = Object.keys(value).sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));
  return `{${names.map((name) => `${JSON.stringify(name)}:${spell(value[name])}`).join(',')}}`;
}

async function outcome(file, genesis, read = readReceipt, check = checkReceipt) {
  try {
    await check(read(file), genesis);
    return 'believed';
  } catch (error) {
    return error.name;
  }
}

test('every genesis has its name', async () => {
  for (const vector of [vectors('genesis.json'), ...vectors('receipts.json')]) {
    const genesis = await genesisOf(vector);
    assert.equal(hex(genesis.cbor), vector.genesis_cbor);
    assert.equal(hex(genesis.chain), vector.chain);
  }
});

test('a vote for a block is spelled and signed as in the vectors', async () => {
  const votes = vectors('votes.json').filter(({ kind, block }) => kind === 'Precommit' && block);
  assert.ok(votes.length > 0);
  for (const { chain, height, round, block, bytes, did, signature } of votes) {
    const message = vote(hash.read(chain), BigInt(height), BigInt(round), hash.read(block));
    assert.equal(hex(message), bytes);
    assert.ok(await verifies(key.read(did).bytes, hexadecimal(64).read(signature), message));
  }
});

test('receipts are believed, and none of which any byte was changed', async () => {
  await needCryptography();
  const names = new Set();
  for (const vector of vectors('receipts.json')) {
    const genesis = await genesisOf(vector);
    const file = encode(spell(vector.receipt));
    const read = readReceipt(file);
    assert.equal(hex(header.cbor(read.header)), vector.header_cbor);
    assert.equal(hex(entry.cbor(read.entry)), vector.entry_cbor);
    const blocks = await checkReceipt(read, genesis);
    assert.equal(blocks.length, vector.receipt.steps.length + 1);
    for (let at = 0; at < file.length; at += 1) {
      const changed = file.slice();
      changed[at] ^= 1;
      const name = await outcome(changed, genesis);
      assert.match(name, /^[a-z]+(_[a-z]+)+$/, `byte ${at}`);
      names.add(name);
    }
    const silent = { ...vector.receipt };
    delete silent.neighbours;
    assert.equal(await outcome(encode(spell(silent)), genesis), 'believed');
  }
  for (const name of ['malformed_receipt', 'another_chain', 'other_validators', 'other_block', 'unknown_signer',
    'bad_signature', 'not_in_block', 'other_neighbours']) {
    assert.ok(names.has(name), `${name} in ${[...names]}`);
  }
});

test('retired certificates are believed, and nothing of which any byte was changed', async () => {
  const names = new Set();
  for (const vector of vectors('bundles.json')) {
    const genesis = await genesisOf(vector);
    for (const [at, proved] of vector.retirements.entries()) {
      const file = encode(spell(proved));
      const read = readRetirement(file);
      assert.equal(hex(message(read)), vector.messages[at]);
      const blocks = await checkRetirement(read, genesis);
      assert.equal(blocks.length, proved.steps.length + 1);
      // Every byte of one of them: to check a proof takes a while.
      for (let byte = 0; byte < file.length && proved.retirement.beneficiary; byte += 1) {
        const changed = file.slice();
        changed[byte] ^= 1;
        const name = await outcome(changed, genesis, readRetirement, checkRetirement);
        assert.match(name, /^[a-z]+(_[a-z]+)+$/, `byte ${byte}`);
        names.add(name);
      }
      const answer = { producer: proved.retirement.member, technology: 'solar', bus: null, open: '2026-06-01T12:30:00Z/PT15M', proved };
      assert.equal(hex(message(readAnswer(JSON.stringify(answer)).proved)), vector.messages[at]);
      assert.throws(() => readAnswer(JSON.stringify({ ...answer, technology: 'coal' })), { name: 'malformed_retirement' });
    }
  }
  for (const name of ['malformed_retirement', 'another_chain', 'other_validators', 'bad_signature', 'not_in_block']) {
    assert.ok(names.has(name), `${name} in ${[...names]}`);
  }
});

test('what no changed byte leads to is refused by its name', async () => {
  const [vector] = vectors('receipts.json').filter(({ receipt }) => receipt.steps.length > 0);
  const genesis = await genesisOf(vector);
  const changed = async (change) => {
    const receipt = structuredClone(vector.receipt);
    change(receipt);
    return outcome(encode(spell(receipt)), genesis);
  };
  assert.equal(await changed((it) => it.certificate.signatures.splice(1)), 'too_few_signatures');
  assert.equal(await changed((it) => it.certificate.signatures.reverse()), 'signatures_not_ascending');
  assert.equal(await changed((it) => it.certificate.signatures.push(it.certificate.signatures.at(-1))), 'signatures_not_ascending');
  assert.equal(await changed((it) => it.steps.shift()), 'other_validators');
  assert.equal(await changed((it) => it.steps.push(it.steps.at(-1))), 'height_not_higher');
  assert.equal(await changed((it) => it.proof.path.push(it.header.entries.hash)), 'not_in_block');
  assert.equal(await changed((it) => (it.proof.index = 1_000)), 'not_in_block');
  assert.equal(await changed((it) => (it.neighbours = [])), 'malformed_receipt');
  assert.equal(await outcome(encode(`${spell(vector.receipt)}\n`), genesis), 'believed');
  assert.equal(await outcome(encode(` ${spell(vector.receipt)}`), genesis), 'malformed_receipt');
  assert.equal(await outcome(encode(spell(vector.receipt)), await genesisOf(vectors('genesis.json'))), 'another_chain');
});

/** What is said of a receipt, changed, that a validator of its own did sign; after a step that changes nothing, if so asked. */
async function outcomeOfSigned(read, genesis, { change = () => {}, isStep = false, leafOf = null, check = checkReceipt }) {
  const { publicKey, privateKey } = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  const signer = { text: 'did:key:zOurs', bytes: new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)) };
  const validators = [{ key: signer, power: 1n }];
  const ours = await validatorsHash(validators);
  const changed = structuredClone(read);
  change(changed);
  const leaf = await sha256(new Uint8Array([0, ...(leafOf ? await leafOf(changed) : entry.cbor(changed.entry))]));
  const signed = async (height) => {
    const of = { ...read.header, height, validators: ours, next_validators: ours, [leafOf ? 'transactions' : 'entries']: { leaves: 1n, hash: leaf } };
    const block = await sha256(header.cbor(of));
    const message = vote(genesis.chain, height, 0n, block);
    const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, message));
    return { header: of, certificate: { height, round: 0n, block, signatures: [{ validator: signer, signature }] } };
  };
  const steps = isStep ? [{ ...(await signed(1n)), validators }] : [];
  const receipt = { ...changed, ...(await signed(2n)), proof: { index: 0n, path: [] }, steps };
  return check(receipt, { ...genesis, validators }).then(() => 'believed', (error) => error.name);
}

test('what validators signed and still cannot be is refused by its name', async () => {
  const [vector] = vectors('receipts.json');
  const genesis = await genesisOf(vector);
  const read = readReceipt(encode(spell(vector.receipt)));
  const signed = (how) => outcomeOfSigned(read, genesis, how);
  assert.equal(await signed({}), 'believed');
  assert.equal(await signed({ isStep: true }), 'nothing_changes');
  assert.equal(await signed({ change: (it) => (it.entry.line.supply_cost += 1n) }), 'other_tariff');
  assert.equal(await signed({ change: (it) => (it.entry.line.exported += 1n) }), 'other_tariff');
  assert.equal(await signed({ change: (it) => (it.entry.line.bought += 1n) }), 'neighbours_do_not_add_up');
});

test('a claim that validators took in and nobody signed is refused by its name', async () => {
  const [vector] = vectors('bundles.json');
  const genesis = await genesisOf(vector);
  const read = readRetirement(encode(spell(vector.retirements[0])));
  const how = { leafOf: (it) => sha256(message(it)), check: checkRetirement };
  assert.equal(await outcomeOfSigned(read, genesis, how), 'believed');
  assert.equal(await outcomeOfSigned(read, genesis, { ...how, change: (it) => (it.retirement.purpose += '!') }), 'not_signed');
  assert.equal(await outcomeOfSigned(read, genesis, { ...how, change: (it) => (it.signature[9] ^= 1) }), 'not_signed');
});

test('a claim of another certificate, and a producer that the genesis knows otherwise, are refused by name', async () => {
  const [vector] = vectors('bundles.json');
  const genesis = await genesisOf(vector);
  const read = readRetirement(encode(spell(vector.retirements.at(-1))));
  const { interval, device, first, energy } = read.retirement.certificates;
  const name = { start: interval.text.split('/')[0], device: device.text, number: String(first) };
  checkName(read, name);
  checkName(read, { ...name, number: String(first + energy - 1n) });
  for (const other of [{ number: String(first - 1n) }, { number: String(first + energy) }, { start: '2026-06-01T12:15:00Z' },
    { start: '' }, { device: read.key.text }]) {
    assert.throws(() => checkName(read, { ...name, ...other }), { name: 'other_certificate' }, JSON.stringify(other));
  }
  const founder = genesis.members.find((member) => member.device.text === device.text);
  assert.equal(founderOf(genesis, device, founder.member), founder);
  assert.throws(() => founderOf(genesis, device, read.retirement.member), { name: 'other_producer' });
  assert.equal(founderOf(genesis, read.key, founder.member), undefined);
});

test('JSON is read strictly and exactly', () => {
  assert.equal(readJson('[18446744073709551615]')[0], 18_446_744_073_709_551_615n);
  for (const text of ['', '{', '[1,]', '{"a":1,"a":1}', '1.0', '1e3', '01', '[1 2]', '{"a" 1}', 'nul', '1 2', '['.repeat(99)]) {
    assert.throws(() => readJson(text), SyntaxError, text);
  }
});
