"""A CPO built on the PyPI package `extrawest-ocpi`: an OCPI 2.2.1 that evenload's authors did not
write. Two EVSEs, one running session, everything in memory.

usage: extrawest_cpo.py PORT TOKEN_A
"""

import os
import sys
import uuid
from datetime import datetime, timedelta, timezone

PORT, TOKEN_A = int(sys.argv[1]), sys.argv[2]
os.environ.update(OCPI_HOST=f"127.0.0.1:{PORT}", PROTOCOL="http", COUNTRY_CODE="NL", PARTY_ID="EXW")

import uvicorn  # noqa: E402  (the package reads its settings when it is imported)
from py_ocpi import get_application  # noqa: E402
from py_ocpi.core.authentication.authenticator import Authenticator  # noqa: E402
from py_ocpi.core.crud import Crud  # noqa: E402
from py_ocpi.core.enums import Action, ModuleID, RoleEnum  # noqa: E402
from py_ocpi.modules.versions.enums import VersionNumber  # noqa: E402


def stamp(ago_minutes):
    at = datetime.now(timezone.utc) - timedelta(minutes=ago_minutes)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def evse(uid):
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 400,
        "max_amperage": 16,
        "last_updated": stamp(600),
    }
    return {
        "uid": uid,
        "status": "AVAILABLE",
        "capabilities": ["CHARGING_PROFILE_CAPABLE"],
        "connectors": [connector],
        "last_updated": stamp(600),
    }


LOCATION = {
    "country_code": "NL",
    "party_id": "EXW",
    "id": "LOC1",
    "publish": True,
    "name": "Depot",
    "address": "Street 1",
    "city": "Town",
    "country": "NLD",
    "coordinates": {"latitude": "52.000000", "longitude": "5.000000"},
    "evses": [evse("E1"), evse("E2")],
    "time_zone": "Europe/Amsterdam",
    "last_updated": stamp(600),
}
SESSION = {
    "country_code": "NL",
    "party_id": "EXW",
    "id": "SESSION-1",
    "start_date_time": stamp(20),
    "kwh": 1.5,
    "cdr_token": {
        "country_code": "NL",
        "party_id": "EMP",
        "uid": "CARD-1",
        "type": "RFID",
        "contract_id": "NL-EMP-1",
    },
    "auth_method": "WHITELIST",
    "location_id": "LOC1",
    "evse_uid": "E1",
    "connector_id": "1",
    "currency": "EUR",
    "status": "ACTIVE",
    "last_updated": stamp(1),
}
TOKENS = {"a": [TOKEN_A], "c": [], "theirs": None}


class Tokens(Authenticator):
    @classmethod
    async def get_valid_token_c(cls):
        return TOKENS["c"]

    @classmethod
    async def get_valid_token_a(cls):
        return TOKENS["a"]


def ours(token):
    details = {"name": "A CPO on extrawest-ocpi"}
    role = {"role": "CPO", "business_details": details, "party_id": "EXW", "country_code": "NL"}
    return {"token": token, "url": f"http://127.0.0.1:{PORT}/ocpi/versions", "roles": [role]}


class Book(Crud):
    @classmethod
    async def get(cls, module, role, id, *args, **kwargs):
        if module == ModuleID.sessions:
            return SESSION if str(id).lower() == SESSION["id"].lower() else None
        if module == ModuleID.locations:
            return LOCATION
        if module == ModuleID.credentials_and_registration:
            return ours(str(id))
        return None

    @classmethod
    async def list(cls, module, role, filters, *args, **kwargs):
        objects = {ModuleID.sessions: [SESSION], ModuleID.locations: [LOCATION]}.get(module, [])
        return objects[filters["offset"] :], len(objects), True

    @classmethod
    async def create(cls, module, role, data, *args, **kwargs):
        if module != ModuleID.credentials_and_registration:
            return data
        TOKENS["theirs"] = data["credentials"]["token"]
        TOKENS["a"], TOKENS["c"] = [], [str(uuid.uuid4())]
        return ours(TOKENS["c"][0])

    @classmethod
    async def update(cls, module, role, data, id, *args, **kwargs):
        return await cls.create(module, role, data)

    @classmethod
    async def delete(cls, module, role, id, *args, **kwargs):
        TOKENS["c"] = []

    @classmethod
    async def do(cls, module, role, action, *args, data=None, **kwargs):
        if action == Action.get_client_token:
            return TOKENS["theirs"]
        return {"result": "ACCEPTED", "timeout": 5}


app = get_application(
    version_numbers=[VersionNumber.v_2_2_1],
    roles=[RoleEnum.cpo],
    crud=Book,
    modules=[
        ModuleID.credentials_and_registration,
        ModuleID.sessions,
        ModuleID.locations,
        ModuleID.charging_profile,
    ],
    authenticator=Tokens,
)
uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
