"""What enedis_tic reads of the frames of Linky meters whose files are named: a line of JSON for each.

Registers are Wh, `power_va` is what is drawn less what is fed in, and `at_s` the frame's own time in seconds after 1970.
"""

import json
import pathlib
import sys

from enedis_tic.link_layer import FrameFactory

for name in sys.argv[1:]:
    groups = FrameFactory(pathlib.Path(name).read_bytes().decode("ascii")).to_dict()
    read = {
        "import_wh": int(groups["EAST"]["data"]),
        "export_wh": int(groups["EAIT"]["data"]),
        "power_va": int(groups["SINSTS"]["data"]) - int(groups["SINSTI"]["data"]),
        "serial": groups["ADSC"]["data"],
        "at_s": int(groups["DATE"]["datetime"].timestamp()),
    }
    print(json.dumps(read))
