"""Prints the text of each QR code in what a terminal was shown on standard input: half blocks, black on white."""

import re
import sys

import numpy
import zxingcpp

rows = []
for line in re.findall("\x1b\\[30;107m(.*?)\x1b\\[0m", sys.stdin.buffer.read().decode()):
    rows.append([half in "▀█" for half in line])
    rows.append([half in "▄█" for half in line])
dark = numpy.array(rows)
image = numpy.where(dark, 0, 255).astype(numpy.uint8).repeat(4, 0).repeat(4, 1)
for code in zxingcpp.read_barcodes(numpy.ascontiguousarray(image)):
    print(code.text)
