"""Does the settlement of a dispatch agree with what the chargers really drew?

Reads only the raw log of the simulated meters (`meter.csv`: instant, EVSE, watts from then on) and
the figures to be checked (`settlement.json`). Needs nothing but Python's own library.
"""

import csv
import json
import sys
from datetime import datetime

TOLERANCE = 0.01  # 1 %


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def drawn_kwh(changes, start, end):
    """Energy of one EVSE between two instants: its power holds until the next change."""
    joules = 0.0
    for (at, watts), following in zip(changes, changes[1:] + [(end, 0)]):
        seconds = (min(following[0], end) - max(at, start)).total_seconds()
        joules += watts * max(seconds, 0.0)
    return joules / 3.6e6


def main(folder):
    changes = {}
    with open(f"{folder}/meter.csv", newline="") as log:
        for row in csv.DictReader(log):
            changes.setdefault(row["evse"], []).append((instant(row["at"]), int(row["power_w"])))
    with open(f"{folder}/settlement.json") as file:
        settlement = json.load(file)
    raw_total = told_total = asked_total = base_total = 0.0
    print("slot                    baseline  meters  settled   shed  quality")
    for slot in settlement["slots"]:
        start, end = instant(slot["start"]), instant(slot["end"])
        raw = sum(drawn_kwh(list(of), start, end) for of in changes.values())
        hours = (end - start).total_seconds() / 3600
        told = slot["measured_kwh"]
        base = slot["baseline_kw"] * hours
        raw_total, told_total, base_total = raw_total + raw, told_total + told, base_total + base
        asked_total += slot["requested_kw"] * hours
        print(f"{slot['start']:22} {base:9.3f} {raw:7.3f}  {told:7.3f} {base - raw:6.3f}  {slot['quality']}")
    error = abs(told_total - raw_total) / raw_total if raw_total else abs(told_total)
    shed = base_total - raw_total
    print(f"energy: meters {raw_total:.3f} kWh, settled {told_total:.3f} kWh: {error:.3%} apart")
    print(f"shed: {shed:.3f} of {asked_total:.3f} kWh asked for ({shed / asked_total:.1%});"
          f" settled {settlement['totals']['delivered_kwh']:.3f} kWh")
    off = abs(settlement["totals"]["delivered_kwh"] - shed) / abs(shed) if shed else 0.0
    print(f"the settlement is {off:.3%} off the meters")
    return 0 if error <= TOLERANCE and off <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "proof"))
