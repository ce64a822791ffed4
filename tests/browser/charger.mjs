// A charger for the browser test: OCPP 1.6-J over a WebSocket of its own, nothing but Node. It tries
// with a password until it is let in, boots, takes profiles, and reads them back.
import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";

export class Charger {
  constructor(origin, id) {
    this.url = new URL(`/ocpp/${encodeURIComponent(id)}`, origin);
    this.id = id;
    this.profiles = new Map();
    this.calls = [];
    this.next = 1;
    this.waiting = new Map();
    this.rest = Buffer.alloc(0);
  }

  // One attempt; the HTTP status: 101 is in.
  connect(password) {
    const key = randomBytes(16).toString("base64");
    return new Promise((resolve, reject) => {
      const asked = request(this.url, {
        headers: {
          Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key,
          "Sec-WebSocket-Protocol": "ocpp1.6",
          Authorization: `Basic ${Buffer.from(`${this.id}:${password}`).toString("base64")}`,
        },
      });
      asked.on("response", (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on("upgrade", (answer, socket, head) => {
        const wanted = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
        if (answer.headers["sec-websocket-accept"] !== wanted) return reject(new Error("a wrong handshake"));
        this.socket = socket;
        socket.on("data", (data) => this.read(data));
        socket.on("error", () => {});
        if (head.length) this.read(head);
        resolve(101);
      });
      asked.on("error", reject);
      asked.end();
    });
  }

  async boot() {
    const answer = await this.call("BootNotification", { chargePointVendor: "Example", chargePointModel: "Wallbox 11", chargePointSerialNumber: "SN-4711", firmwareVersion: "1.2.3" });
    for (const connectorId of [0, 1]) {
      await this.call("StatusNotification", { connectorId, errorCode: "NoError", status: "Available" });
    }
    return answer;
  }

  call(action, payload) {
    const id = String(this.next++);
    this.send([2, id, action, payload]);
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  answer(action, payload) {
    switch (action) {
      case "SetChargingProfile":
        this.profiles.set(payload.csChargingProfiles.chargingProfilePurpose, payload.csChargingProfiles);
        return { status: "Accepted" };
      case "ClearChargingProfile":
        this.profiles.clear();
        return { status: "Accepted" };
      case "GetConfiguration":
        return { configurationKey: [
          { key: "ChargeProfileMaxStackLevel", readonly: true, value: "8" },
          { key: "ChargingScheduleAllowedChargingRateUnit", readonly: true, value: "Current" },
          { key: "ChargingScheduleMaxPeriods", readonly: true, value: "24" },
          { key: "NumberOfConnectors", readonly: true, value: "1" },
        ] };
      case "GetCompositeSchedule":
        return { status: "Accepted", connectorId: payload.connectorId, chargingSchedule: { chargingRateUnit: "A", chargingSchedulePeriod: [{ startPeriod: 0, limit: 16 }], duration: payload.duration } };
      default:
        return { status: "Accepted" };
    }
  }

  read(data) {
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      if (this.rest.length < 2) return;
      let length = this.rest[1] & 127;
      let from = 2;
      if (length === 126) [length, from] = [this.rest.length >= 4 ? this.rest.readUInt16BE(2) : Infinity, 4];
      else if (length === 127) [length, from] = [this.rest.length >= 10 ? Number(this.rest.readBigUInt64BE(2)) : Infinity, 10];
      if (this.rest.length < from + length) return;
      const kind = this.rest[0] & 15;
      const body = this.rest.subarray(from, from + length);
      this.rest = this.rest.subarray(from + length);
      if (kind === 1) this.take(JSON.parse(body.toString()));
      else if (kind === 9) this.frame(10, body);
      else if (kind === 8) this.close();
    }
  }

  take([type, id, third, payload]) {
    if (type === 2) {
      this.calls.push(third);
      this.send([3, id, this.answer(third, payload)]);
    } else {
      this.waiting.get(id)?.(third);
      this.waiting.delete(id);
    }
  }

  send(message) {
    this.frame(1, Buffer.from(JSON.stringify(message)));
  }

  frame(kind, body) {
    const mask = randomBytes(4);
    const long = body.length > 125;
    const head = Buffer.alloc(long ? 4 : 2);
    head[0] = 128 | kind;
    head[1] = 128 | (long ? 126 : body.length);
    if (long) head.writeUInt16BE(body.length, 2);
    this.socket.write(Buffer.concat([head, mask, Buffer.from(body.map((b, i) => b ^ mask[i % 4]))]));
  }

  close() {
    this.socket?.destroy();
  }
}
