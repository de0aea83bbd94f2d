"""Holds the bundles and cancellations of an export against EnergyTag's schemas, and says as JSON what is in them.

Usage: validate.py SCHEMAS DIRECTORY
"""

import collections
import json
import pathlib
import sys

from jsonschema import Draft7Validator, FormatChecker

# What stands beside the specification's own keys.
BESIDE = {"GranularCertificateBundle": {"account_id", "device_id", "beneficiary"}, "GranularCertificateCancellation": set()}


def checked(schemas, name, path):
    """The lines of a file, each valid by the schema of this name."""
    schema = schemas[name]
    # A list of items, one a place, is of the drafts before 2020-12.
    Draft7Validator.check_schema(schema)
    formats = FormatChecker()
    assert {"uuid", "date", "date-time"} <= set(formats.checkers), formats
    validator = Draft7Validator(schema, format_checker=formats)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines, 1):
        for error in validator.iter_errors(line):
            sys.exit(f"{path.name}:{number}: {error.json_path}: {error.message}")
        unknown = set(line) - set(schema["properties"]) - BESIDE[name]
        if unknown:
            sys.exit(f"{path.name}:{number}: no keys of {name}: {sorted(unknown)}")
    return lines


def main(schemas, directory):
    schemas = json.loads(pathlib.Path(schemas).read_text(encoding="utf-8"))
    directory = pathlib.Path(directory)
    bundles = checked(schemas, "GranularCertificateBundle", directory / "bundles.jsonl")
    cancellations = checked(schemas, "GranularCertificateCancellation", directory / "cancellations.jsonl")
    statuses = collections.Counter(bundle["certificate_bundle_status"] for bundle in bundles)
    said = {"bundles": statuses, "cancellations": len(cancellations)}
    print(json.dumps(said))


main(*sys.argv[1:])
