"""A charging station made of PyPI `ocpp`'s charge points, against a running evenload.

Every message it gets is held against that package's own JSON schemas. It plays one session: boot,
transaction, readings that obey the profile it was given, end. It prints what it saw as one line of
JSON; what to think of it is for the caller.

    python station.py ws://127.0.0.1:8080/ocpp ID PASSWORD ocpp1.6|ocpp2.0.1|ocpp2.1
"""

import asyncio
import base64
import json
import logging
import sys
from datetime import datetime, timedelta, timezone

import websockets
from ocpp.messages import MessageType, unpack, validate_payload
from ocpp.routing import on

DEADLINE_S = 60
VOLTS = 230
PHASES = 3


def now():
    return datetime.now(timezone.utc)


def stamp(at=None):
    return (at or now()).strftime("%Y-%m-%dT%H:%M:%SZ")


class Seen:
    """What was seen, and the profiles that hold."""

    def __init__(self):
        self.actions = []
        self.invalid = []
        self.default = None
        self.transaction = None
        self.news = asyncio.Event()

    def install(self, profile):
        purpose = profile["charging_profile_purpose"]
        if purpose == "TxDefaultProfile":
            self.default = profile
        elif purpose == "TxProfile":
            self.transaction = profile
        self.news.set()

    def amps(self, at=None):
        """The limit now, in amperes per phase."""
        at = at or now()
        for profile in (self.transaction, self.default):
            if profile is None:
                continue
            schedule = profile["charging_schedule"]
            if isinstance(schedule, list):
                schedule = schedule[0]
            start = schedule.get("start_schedule")
            begun = at - datetime.fromisoformat(start.replace("Z", "+00:00")) if start else timedelta(0)
            duration = schedule.get("duration")
            if duration is not None and begun > timedelta(seconds=duration):
                continue
            limit = None
            for period in schedule["charging_schedule_period"]:
                if timedelta(seconds=period["start_period"]) <= begun:
                    limit = period["limit"]
            if limit is None:
                continue
            if schedule["charging_rate_unit"] == "W":
                limit = float(limit) / VOLTS / PHASES
            return float(limit)
        return 32.0


def checked(base, version):
    """A charge point that holds every message it gets against the schemas."""

    class Checked(base):
        async def route_message(self, raw):
            try:
                message = unpack(raw)
                if message.message_type_id == MessageType.Call:
                    self.seen.actions.append(message.action)
                    await validate_payload(message, ocpp_version=version)
            except Exception as error:  # whatever it is, it is to be seen
                self.seen.invalid.append(f"{error!r}: {raw[:400]}")
            await super().route_message(raw)

    return Checked


def station_16():
    from ocpp.v16 import ChargePoint, call, call_result
    from ocpp.v16.enums import Action

    class Station(checked(ChargePoint, "1.6")):
        transaction_id = None

        @on(Action.get_configuration)
        def configuration(self, **_):
            keys = {
                "ChargeProfileMaxStackLevel": "8",
                "ChargingScheduleAllowedChargingRateUnit": "Current",
                "ChargingScheduleMaxPeriods": "20",
                "MeterValueSampleInterval": "300",
                "MeterValuesSampledData": "Energy.Active.Import.Register",
            }
            listed = [{"key": k, "readonly": False, "value": v} for k, v in keys.items()]
            return call_result.GetConfiguration(configuration_key=listed)

        @on(Action.change_configuration)
        def change(self, **_):
            return call_result.ChangeConfiguration(status="Accepted")

        @on(Action.clear_charging_profile)
        def clear(self, **_):
            return call_result.ClearChargingProfile(status="Unknown")

        @on(Action.trigger_message)
        def trigger(self, **_):
            return call_result.TriggerMessage(status="Accepted")

        @on(Action.set_charging_profile)
        def profile(self, connector_id, cs_charging_profiles, **_):
            self.seen.install(cs_charging_profiles)
            return call_result.SetChargingProfile(status="Accepted")

        @on(Action.get_composite_schedule)
        def composite(self, connector_id, duration, **_):
            period = {"startPeriod": 0, "limit": round(self.seen.amps(), 1)}
            return call_result.GetCompositeSchedule(
                status="Accepted", connector_id=connector_id, schedule_start=stamp(),
                charging_schedule={"duration": duration, "chargingRateUnit": "A",
                                   "chargingSchedulePeriod": [period]})

        @on(Action.reset)
        def reset(self, **_):
            return call_result.Reset(status="Accepted")

        async def boots(self):
            return (await self.call(call.BootNotification(
                charge_point_vendor="PyPI", charge_point_model="ocpp"))).status

        async def is_free(self):
            await self.call(call.StatusNotification(
                connector_id=1, error_code="NoError", status="Available"))

        async def starts(self, wh):
            await self.call(call.Authorize(id_tag="TAG-1"))
            answer = await self.call(call.StartTransaction(
                connector_id=1, id_tag="TAG-1", meter_start=wh, timestamp=stamp()))
            self.transaction_id = answer.transaction_id
            return str(answer.transaction_id)

        async def measures(self, wh, watts):
            await self.call(call.MeterValues(
                connector_id=1, transaction_id=self.transaction_id, meter_value=[{
                    "timestamp": stamp(), "sampledValue": [
                        {"value": str(wh), "unit": "Wh",
                         "measurand": "Energy.Active.Import.Register"},
                        {"value": f"{watts / 1000:.3f}", "unit": "kW",
                         "measurand": "Power.Active.Import"}]}]))

        async def stops(self, wh):
            await self.call(call.StopTransaction(
                transaction_id=self.transaction_id, meter_stop=wh, timestamp=stamp(),
                reason="EVDisconnected"))

    return Station


def station_2x(version):
    if version == "ocpp2.1":
        from ocpp.v21 import ChargePoint, call, call_result
        from ocpp.v21.enums import Action
        number = "2.1"
    else:
        from ocpp.v201 import ChargePoint, call, call_result
        from ocpp.v201.enums import Action
        number = "2.0.1"

    class Station(checked(ChargePoint, number)):
        seq_no = 0

        @on(Action.get_base_report)
        def report(self, request_id, **_):
            asyncio.get_running_loop().create_task(self.reports(request_id))
            return call_result.GetBaseReport(status="Accepted")

        async def reports(self, request_id):
            variables = {
                ("SmartChargingCtrlr", "ProfileStackLevel"): "3",
                ("SmartChargingCtrlr", "RateUnit"): "A,W",
                ("SmartChargingCtrlr", "PeriodsPerSchedule"): "24",
                ("SampledDataCtrlr", "TxUpdatedInterval"): "300",
            }
            data = [{"component": {"name": c}, "variable": {"name": v},
                     "variableAttribute": [{"value": value}]}
                    for (c, v), value in variables.items()]
            await self.call(call.NotifyReport(
                request_id=request_id, generated_at=stamp(), seq_no=0, tbc=False,
                report_data=data))

        @on(Action.set_variables)
        def set_variables(self, set_variable_data, **_):
            results = [{"attributeStatus": "Accepted", "component": entry["component"],
                        "variable": entry["variable"]} for entry in set_variable_data]
            return call_result.SetVariables(set_variable_result=results)

        @on(Action.clear_charging_profile)
        def clear(self, **_):
            return call_result.ClearChargingProfile(status="Unknown")

        @on(Action.trigger_message)
        def trigger(self, **_):
            return call_result.TriggerMessage(status="Accepted")

        @on(Action.set_charging_profile)
        def profile(self, evse_id, charging_profile, **_):
            self.seen.install(charging_profile)
            return call_result.SetChargingProfile(status="Accepted")

        @on(Action.get_composite_schedule)
        def composite(self, duration, evse_id, **_):
            period = {"startPeriod": 0, "limit": round(self.seen.amps(), 1)}
            return call_result.GetCompositeSchedule(status="Accepted", schedule={
                "evseId": evse_id, "duration": duration, "scheduleStart": stamp(),
                "chargingRateUnit": "A", "chargingSchedulePeriod": [period]})

        @on(Action.reset)
        def reset(self, **_):
            return call_result.Reset(status="Accepted")

        async def boots(self):
            return (await self.call(call.BootNotification(
                reason="PowerUp",
                charging_station={"vendorName": "PyPI", "model": "ocpp"}))).status

        async def is_free(self):
            await self.call(call.StatusNotification(
                timestamp=stamp(), connector_status="Available", evse_id=1, connector_id=1))

        async def event(self, kind, wh, watts=0.0, **more):
            values = [{"value": float(wh), "measurand": "Energy.Active.Import.Register"},
                      {"value": watts / 1000, "measurand": "Power.Active.Import",
                       "unitOfMeasure": {"unit": "W", "multiplier": 3}}]
            await self.call(call.TransactionEvent(
                event_type=kind, timestamp=stamp(), seq_no=self.seq_no,
                trigger_reason="MeterValuePeriodic" if kind == "Updated" else "CablePluggedIn",
                transaction_info={"transactionId": "py-tx-1", "chargingState": "Charging"},
                meter_value=[{"timestamp": stamp(), "sampledValue": values}], **more))
            self.seq_no += 1

        async def starts(self, wh):
            token = {"idToken": "TAG-1", "type": "ISO14443"}
            await self.call(call.Authorize(id_token=token))
            await self.event("Started", wh, evse={"id": 1, "connectorId": 1}, id_token=token)
            return "py-tx-1"

        async def measures(self, wh, watts):
            await self.event("Updated", wh, watts)

        async def stops(self, wh):
            await self.event("Ended", wh)

    return Station


async def until(seen, condition):
    """Waits for news until a condition holds."""
    while not condition():
        seen.news.clear()
        await seen.news.wait()


async def play(url, identity, password, version):
    made = station_16() if version == "ocpp1.6" else station_2x(version)
    seen = Seen()
    basic = base64.b64encode(f"{identity}:{password}".encode()).decode()
    async with websockets.connect(
        f"{url}/{identity}", subprotocols=[version],
        additional_headers={"Authorization": f"Basic {basic}"},
    ) as socket:
        station = made(identity, socket)
        station.seen = seen
        listening = asyncio.create_task(station.start())
        boot = await station.boots()
        await station.is_free()
        await until(seen, lambda: seen.default is not None)
        default_amps = seen.amps()
        transaction = await station.starts(1000)
        await until(seen, lambda: seen.transaction is not None)
        wh, readings = 1000.0, []
        for _ in range(3):
            watts = min(seen.amps(), 16.0) * VOLTS * PHASES
            wh += watts / 60
            readings.append(round(watts))
            await station.measures(round(wh), watts)
        asked = json.loads(json.dumps(seen.transaction, default=float))
        await station.stops(round(wh))
        # What is still on its way may come.
        await asyncio.sleep(0.5)
        listening.cancel()
    return {
        "version": version, "subprotocol": socket.subprotocol, "boot": boot,
        "transaction": transaction, "default_amps": default_amps, "tx_profile": asked,
        "readings_w": readings, "energy_wh": round(wh) - 1000, "actions": seen.actions,
        "invalid": seen.invalid,
    }


def main():
    logging.disable(logging.CRITICAL)
    url, identity, password, version = sys.argv[1:5]
    result = asyncio.run(asyncio.wait_for(play(url, identity, password, version), DEADLINE_S))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
