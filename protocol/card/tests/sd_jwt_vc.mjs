// Verifies presentations with @sd-jwt/sd-jwt-vc: node sd_jwt_vc.mjs DIRECTORY-OF-NODE_MODULES < cases.json
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { SDJwtVcInstance } = createRequire(`${process.argv[2]}/`)("@sd-jwt/sd-jwt-vc");
const { issuer, cases } = JSON.parse(readFileSync(0, "utf8"));

const verifies = (jwk) => (data, signature) =>
  verify(null, Buffer.from(data), createPublicKey({ key: jwk, format: "jwk" }), Buffer.from(signature, "base64url"));

for (const { name, presentation, audience, nonce, status } of cases) {
  const verifier = new SDJwtVcInstance({
    hashAlg: "sha-256",
    hasher: (data) => createHash("sha256").update(data).digest(),
    verifier: verifies(issuer),
    kbVerifier: (data, signature, payload) => verifies(payload.cnf.jwk)(data, signature),
    statusListFetcher: async () => status,
  });
  let said;
  try {
    // Without a nonce it does not look at the key binding, and drops a claim whose digest it does not find.
    const { payload, kb } = await verifier.verify(presentation, { keyBindingNonce: nonce });
    if (kb.payload.aud !== audience) throw new Error("Another audience");
    said = { claims: payload };
  } catch (error) {
    said = { refused: error.message };
  }
  console.log(JSON.stringify({ name, ...said }));
}
