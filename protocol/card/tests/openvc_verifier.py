"""Verifies presentations with openvc-core: python openvc_verifier.py < cases.json"""
import json
import sys

from cryptography import x509
from openvc.proof._jws import parse_compact, verify_compact
from openvc.verify import VerificationPolicy, default_resolver, verify_credential
from openvc.x5c import resolve_x5c_key

asked = json.load(sys.stdin)
anchors = [x509.load_pem_x509_certificate(pem.encode()) for pem in asked.get("anchors", [])]


def list_of(token):
    """What a status list's token says, if it is signed by who it says."""
    header, claims, _, _ = parse_compact(token)
    if "x5c" in header:
        key = resolve_x5c_key(header["x5c"], claims["iss"], trust_anchors=anchors)
    else:
        key = default_resolver().resolve(claims["iss"]).key_by_kid(header["kid"]).public_key_jwk
    _, claims = verify_compact(token, public_key_jwk=key)
    return claims


for case in asked["cases"]:
    policy = VerificationPolicy(
        audience=case["audience"],
        nonce=case["nonce"],
        require_key_binding=True,
        require_status_issuer_binding=True,
    )
    try:
        result = verify_credential(
            case["presentation"],
            policy=policy,
            resolve_status_list_token=lambda _: list_of(case["status"]),
            x5c_trust_anchors=anchors or None,
        )
        said = {"claims": result.claims}
    except Exception as error:
        said = {"refused": f"{type(error).__name__}: {error}"}
    print(json.dumps({"name": case["name"], **said}))
