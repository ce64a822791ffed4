"""The saving of a report, reckoned again from the two files that the dashboard exports.

    python3 examples/saving.py powers.csv sessions.csv

Every session takes the energy it really took, from its arrival on and as fast as its car was seen to
take it (`fastest_kw`); the saving is the difference of the mean prices times the energy measured.
"""

import csv
import sys
from datetime import datetime


def rows(name):
    with open(name, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def minute(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) // 60


powers, sessions = rows(sys.argv[1]), rows(sys.argv[2])
minutes = [minute(row["start"]) for row in powers]
prices = [float(row["price_per_kwh"]) if row["price_per_kwh"] else None for row in powers]
unmanaged = [0.0] * len(powers)
for session in sessions:
    left, most = float(session["energy_kwh"]), float(session["fastest_kw"]) / 60
    for at, when in enumerate(minutes):
        if when >= minute(session["arrival"]) and left > 0:
            unmanaged[at] += min(left, most)
            left -= min(left, most)


def priced(energies):
    pairs = [(energy, price) for energy, price in zip(energies, prices) if price is not None]
    return sum(energy for energy, _ in pairs), sum(energy * price for energy, price in pairs)


energy, cost = priced([float(row["evses_kw"]) / 60 for row in powers])
other_energy, other_cost = priced(unmanaged)
saving = (other_cost / other_energy - cost / energy) * energy if energy and other_energy else None
print(f"{energy:.3f} kWh for {cost:.4f}; unmanaged {other_energy:.3f} kWh for {other_cost:.4f}; saving {saving}")
