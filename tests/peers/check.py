"""Holds messages against the JSON schemas that PyPI `ocpp` carries.

Reads lines `{"version": "1.6", "kind": 2 or 3, "action": .., "payload": ..}` from a file and prints one
line of JSON: how many were held against a schema, and what is wrong with which.

    python check.py MESSAGES.jsonl
"""

import asyncio
import json
import sys

from ocpp.messages import Call, CallResult, validate_payload


async def check(line):
    entry = json.loads(line)
    made = Call if entry["kind"] == 2 else CallResult
    # The package names the type of a result by the action of its call.
    message = made("id", entry["payload"], entry["action"]) if made is CallResult else \
        made("id", entry["action"], entry["payload"])
    try:
        await validate_payload(message, ocpp_version=entry["version"])
    except Exception as error:  # whatever it is, it is to be seen
        return f"{entry['version']} {entry['action']} {made.__name__}: {error!r}: {line[:300]}"
    return None


async def main():
    checked, invalid = 0, []
    with open(sys.argv[1]) as lines:
        for line in lines:
            checked += 1
            problem = await check(line)
            if problem is not None:
                invalid.append(problem)
    print(json.dumps({"checked": checked, "invalid": invalid}))


asyncio.run(main())
