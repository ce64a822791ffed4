// A site of 500 EVSEs, made through the REST API: 500 chargers connect over OCPP, each with a car and
// readings that go on. Then Today and Plan are watched for ten seconds each.
//
// The measure: tasks of the page's main thread over 50 ms (the browser's own `longtask`, on this
// machine, beside the service and all chargers), and the share of frames that came late: a frame counts
// as late when more than two display intervals (33 ms) have passed since the one before.
import assert from "node:assert/strict";
import { end, goto, link, open, origin, shots, step } from "./lib.mjs";
import { Charger } from "./charger.mjs";

const COUNT = Number(process.env.COUNT ?? 500);
const SECONDS = 10;
const call = async (method, path, body) => {
  const answer = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${process.env.TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const name = (i) => `CP-${String(i + 1).padStart(3, "0")}`;
const chargers = Array.from({ length: COUNT }, (_, i) => new Charger(origin, name(i)));
let page = null;

await step(`${COUNT} EVSEs and their chargers are described over REST`, async () => {
  for (let i = 0; i < COUNT; i += 1) await call("PUT", `/stations/${name(i)}`, { site: "big", no_password: true, allow_insecure: true });
  const evses = chargers.map((c, i) => ({ id: `bay-${String(i + 1).padStart(3, "0")}`, circuit: `row-${i % 10}`, max_kw: 11.04, phases: ["L1", "L2", "L3"], source: { ocpp: { station: c.id, evse: 1 } } }));
  const rows = Array.from({ length: 10 }, (_, i) => ({ id: `row-${i}`, parent: "site", import_limit_kw: 400 }));
  await call("PUT", "/sites/big", { name: "Big depot", time_zone: "Europe/Berlin", currency: "EUR", circuits: [{ id: "site", parent: null, import_limit_kw: 2000 }, ...rows], evses });
  const start = new Date(Math.floor(Date.now() / 3600e3) * 3600e3).toISOString();
  const values = Array.from({ length: 24 }, (_, i) => 0.2 + 0.1 * Math.sin(i / 3));
  await call("PUT", "/sites/big/signals/day-ahead", { kind: "import_price", unit: "EUR/kWh", start, resolution: "PT1H", values });
});

await step("all of them connect, boot and begin to charge", async () => {
  for (let from = 0; from < COUNT; from += 20) {
    await Promise.all(chargers.slice(from, from + 20).map(async (charger, offset) => {
      assert.equal(await charger.connect(""), 101);
      await charger.boot();
      const begun = await charger.call("StartTransaction", { connectorId: 1, idTag: `V${from + offset}`, meterStart: 0, timestamp: new Date().toISOString() });
      charger.transaction = begun.transactionId;
      await charger.call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Charging" });
    }));
  }
  const rows = chargers.map((_, i) => ({ key: `bay-${String(i + 1).padStart(3, "0")}`, departure: new Date(Date.now() + (6 + (i % 6)) * 3600e3).toISOString(), energy_kwh: 10 + (i % 30) }));
  await call("PUT", "/sites/big/departures", rows);
});

let turn = 0;
const meter = setInterval(() => {
  turn += 1;
  // A tenth of them each second.
  chargers.filter((_, i) => i % 10 === turn % 10).forEach((charger, i) => {
    const sampledValue = [
      { value: String(turn * 20), measurand: "Energy.Active.Import.Register", unit: "Wh" },
      { value: String(4000 + ((i + turn) % 7) * 500), measurand: "Power.Active.Import", unit: "W" },
    ];
    charger.call("MeterValues", { connectorId: 1, transactionId: charger.transaction, meterValue: [{ timestamp: new Date().toISOString(), sampledValue }] });
  });
}, 1000);

await step("signing in, the site is there", async () => {
  ({ page } = await open());
  await page.goto(link);
  await page.waitForSelector("nav.pages");
});

for (const [part, rows, least] of [["today", "main .scroll tbody tr", 60], ["plan", ".strip[role=slider]", COUNT]]) {
  await step(`${part} stays smooth with ${COUNT} chargers that report`, async () => {
    await goto(page, part);
    await page.waitForFunction(([sel, n]) => document.querySelectorAll(sel).length >= n, [rows, least], { timeout: 60000 });
    await page.waitForTimeout(1500);
    const seen = await page.evaluate((seconds) => new Promise((done) => {
      const tasks = [];
      const gaps = [];
      let last = null;
      new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
      const frame = (at) => {
        if (last !== null) gaps.push(at - last);
        last = at;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      setTimeout(() => done({ tasks, gaps }), seconds * 1000);
    }), SECONDS);
    const longest = Math.round(Math.max(0, ...seen.tasks));
    const late = seen.gaps.filter((gap) => gap > 34).length;
    const share = (100 * late) / Math.max(1, seen.gaps.length);
    console.log(`     ${part}: ${seen.gaps.length} frames in ${SECONDS} s, ${share.toFixed(1)} % late, ${seen.tasks.length} tasks over 50 ms, the longest ${longest} ms`);
    await page.screenshot({ path: `${shots}/${part}-many.png` });
    assert.ok(longest < 500, `a task of ${longest} ms`);
  });
}

await step("scrolling through the plan paints what comes into sight", async () => {
  await page.mouse.move(600, 500);
  for (let i = 0; i < 30; i += 1) {
    await page.mouse.wheel(0, 300);
    await page.waitForTimeout(30);
  }
  await page.waitForTimeout(500);
  const painted = await page.evaluate(() => [...document.querySelectorAll(".strip[role=slider]")].filter((s) => {
    const box = s.getBoundingClientRect();
    return box.top > 0 && box.bottom < innerHeight && s.style.backgroundImage === "none";
  }).length);
  assert.equal(painted, 0, "strips in sight that are not painted");
});

await step("no console error", async () => assert.deepEqual(page.seen.errors, []));
clearInterval(meter);
chargers.forEach((charger) => charger.close());
await end();
