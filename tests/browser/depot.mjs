// A depot's first minutes with an empty service: sign in, describe the site, let a charger in, see it
// boot, file departures, go live. The charger is simulated and speaks OCPP 1.6-J over a real socket.
import assert from "node:assert/strict";
import { accessible, api, end, goto, link, open, origin, shots, step } from "./lib.mjs";
import { Charger } from "./charger.mjs";

const begun = Date.now();
const { page } = await open();
const charger = new Charger(origin, "CP-1");
let clicks = 0;
const click = (target) => { clicks += 1; return target.click(); };

await step("the first start's link leads to the description of a site", async () => {
  await page.goto(link);
  await page.waitForSelector("h1:has-text('No site yet')");
  assert.deepEqual(await accessible(page, "first"), []);
});

await step("five answers make a site in shadow", async () => {
  await page.fill("input[name=name]", "Depot North");
  await page.fill("input[name=zone]", "Europe/Berlin");
  await page.fill("input[name=limit]", "60");
  await page.fill("input[name=price]", "0.30");
  await click(page.getByRole("button", { name: "Make the site" }));
  await page.waitForSelector("h1:has-text('Chargers')");
  const site = await api(page, "/sites/Depot-North");
  assert.equal(site.circuits[0].import_limit_kw, 60);
  assert.equal(site.status.effective_mode, "shadow");
});

await step("an unknown charger is refused and appears by itself", async () => {
  assert.equal(await charger.connect("whatever-it-had-before"), 401);
  await page.waitForSelector("td:has-text('ocpp1.6')", { timeout: 10000 });
  assert.deepEqual(await accessible(page, "waiting"), []);
});

let password = null;
await step("approving it shows a password once; without the tick nothing would change", async () => {
  await click(page.getByRole("button", { name: /Approve/ }));
  await page.waitForSelector("dialog[open] form");
  await page.screenshot({ path: `${shots}/approve-1.png` });
  await click(page.getByRole("button", { name: "Approve and make a password" }));
  password = (await page.innerText("dialog[open] .made code")).trim();
  assert.ok(password.length >= 16, password);
  assert.equal(await charger.connect("whatever-it-had-before"), 401, "the old password is none");
});

await step("with the password typed in, the page shows it boot without a reload", async () => {
  assert.equal(await charger.connect(password), 101);
  assert.equal((await charger.boot()).status, "Accepted");
  await page.waitForSelector("dialog[open] dd:has-text('Wallbox 11')", { timeout: 10000 });
  await page.screenshot({ path: `${shots}/approve-2.png` });
});

await step("name, power and phases make it part of the site", async () => {
  await page.fill("dialog[open] input[name=name-1]", "bay-1");
  await page.fill("dialog[open] input[name=max]", "11.04");
  assert.deepEqual(await accessible(page, "describe"), []);
  await click(page.locator("dialog[open]").getByRole("button", { name: /^Add to/ }));
  await page.waitForSelector("dialog[open] dd:has-text('silence is safe')");
  await page.screenshot({ path: `${shots}/approve-3.png` });
  await click(page.getByRole("button", { name: "Done" }));
  await page.waitForSelector("main th:has-text('bay-1')", { timeout: 10000 });
  const site = await api(page, "/sites/Depot-North");
  assert.deepEqual(site.evses[0].source, { ocpp: { station: "CP-1", evse: 1 } });
});

await step("live: the charger takes its fallback before anything else, and the page shows it", async () => {
  await goto(page, "rollout");
  await click(page.getByRole("button", { name: "Switch to live" }));
  await page.waitForFunction(async () => (await (await fetch("/api/v1/sites/Depot-North/mode")).json()).mode === "live");
  await goto(page, "chargers");
  await page.waitForSelector("main td:has-text('Accepted')", { timeout: 20000 });
  assert.ok(charger.profiles.has("TxDefaultProfile"), charger.calls.join());
});

await step("a car comes: its plan is on the page, its profile at the charger", async () => {
  await charger.call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Preparing" });
  const started = await charger.call("StartTransaction", { connectorId: 1, idTag: "VAN-7", meterStart: 0, timestamp: new Date().toISOString() });
  assert.ok(started.transactionId > 0);
  await charger.call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Charging" });
  await goto(page, "vehicles");
  await page.waitForSelector("main th:has-text('bay-1')", { timeout: 10000 });
  await page.fill("textarea", "VAN-7\t23:59\t30");
  await click(page.getByRole("button", { name: "Add 1 rows" }));
  await goto(page, "plan");
  await page.waitForSelector(".strip[role=slider]", { timeout: 20000 });
  const plan = await api(page, "/sites/Depot-North/plan");
  assert.equal(plan.evses[0].evse, "bay-1");
  await page.waitForTimeout(1500);
  assert.ok(charger.profiles.has("TxProfile"), charger.calls.join());
  await page.screenshot({ path: `${shots}/depot-plan.png` });
  await goto(page, "today");
  await page.waitForSelector("main .scroll tbody tr");
  assert.match(await page.innerText("main"), /bay-1/);
  await page.screenshot({ path: `${shots}/depot-today.png` });
});

await step("a command by hand is answered, and the messages are there", async () => {
  await goto(page, "chargers");
  await page.getByRole("button", { name: "CP-1 / 1" }).click();
  await page.waitForSelector("dialog[open] dd:has-text('Wallbox 11')");
  await page.getByText("Send a command").click();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.waitForSelector("dialog[open] pre:has-text('Accepted')", { timeout: 10000 });
  assert.ok(charger.calls.includes("TriggerMessage"));
  await page.getByText("Last messages, passwords masked").click();
  await page.waitForSelector("dialog[open] code:has-text('TriggerMessage')");
  assert.deepEqual(await accessible(page, "station"), []);
  assert.ok(!(await page.innerText("dialog[open]")).includes(password), "a password is shown");
  await page.getByRole("button", { name: "Close" }).click();
});

await step("a charger that is gone is told at once", async () => {
  charger.close();
  await page.waitForSelector("main td:has-text('offline')", { timeout: 15000 });
});

await step("no console error, and no request left for another origin", async () => {
  assert.deepEqual(page.seen.errors, []);
  assert.deepEqual(page.seen.foreign, []);
});

console.log(`     from the link to a plan and a live charger: ${clicks} clicks, ${Math.round((Date.now() - begun) / 1000)} s of a machine's time`);
await end();
