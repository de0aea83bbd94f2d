"""Holds the files of a month against the official schemas, and says as JSON what is in them.

Usage: validate.py DIRECTORY
"""

import json
import pathlib
import sys
from xml.etree import ElementTree

from sepaxml.validation import try_valid_xml


def pain(path, schema, transaction, party):
    """Checks a file for the bank, and reads it without the program that wrote it."""
    content = path.read_bytes()
    try_valid_xml(content, schema)
    namespace = {"": f"urn:iso:std:iso:20022:tech:xsd:{schema}"}
    root = ElementTree.fromstring(content)
    text = lambda of, where: of.findtext(where, namespaces=namespace)
    payments = [
        (
            text(each, "PmtId/EndToEndId"),
            text(each, f"{party}/Nm"),
            text(each, f"{party}Acct/Id/IBAN"),
            text(each, "Amt/InstdAmt") or text(each, "InstdAmt"),
        )
        for each in root.iterfind(f".//{transaction}", namespace)
    ]
    header = root.find(".//GrpHdr", namespace)
    return {
        "message": text(header, "MsgId"),
        "count": int(text(header, "NbOfTxs")),
        "sum": text(header, "CtrlSum"),
        "payments": payments,
    }


directory = pathlib.Path(sys.argv[1])
read = {}
for path in directory.glob("*.pain.*.xml"):
    if ".pain.001." in path.name:
        read[path.name] = pain(path, "pain.001.001.09", "CdtTrfTxInf", "Cdtr")
    else:
        read[path.name] = pain(path, "pain.008.001.08", "DrctDbtTxInf", "Dbtr")
json.dump(read, sys.stdout)
