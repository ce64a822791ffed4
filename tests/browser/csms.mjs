// A CSMS vendor's first minutes with an empty service, in the dashboard alone: register at the platform,
// read the check list, take a site over from its locations, watch it in shadow, send to one EVSE, go
// live. Then the aggregator's part: a token for signals, a limit weighed by a dry run and set, who
// decides. The platform is `examples/simulated_cpo.rs`, which speaks OCPI over real sockets.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { accessible, api, end, goto, link, open, origin, shots, step } from "./lib.mjs";

const begun = Date.now();
const cpo = spawn(process.env.SIMULATED_CPO, { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => cpo.kill());
const told = await new Promise((resolve, reject) => {
  let text = "";
  cpo.stdout.on("data", (data) => {
    text += data;
    const found = /versions URL\s+(\S+)[\s\S]*token A\s+(\S+)/.exec(text);
    if (found) resolve({ url: found[1], token: found[2] });
  });
  cpo.on("error", reject);
});

const { page } = await open();
let clicks = 0;
const click = (target) => { clicks += 1; return target.click(); };
const mode = async () => (await api(page, "/sites/HAM-1/mode")).mode;

await step("registering at a platform gives a check list, row by row", async () => {
  await page.goto(link);
  await page.waitForSelector("nav.pages");
  await goto(page, "partners");
  await click(page.getByRole("button", { name: "Register" }));
  await page.fill("dialog[open] input[name=name]", "acme");
  await page.fill("dialog[open] input[name=versions_url]", told.url);
  await page.fill("dialog[open] input[name=token_a]", told.token);
  await click(page.locator("dialog[open] button.main"));
  await page.waitForSelector("dialog[open] .checks li.good", { timeout: 30000 });
  assert.equal(await page.locator("dialog[open] .checks li.bad").count(), 0);
  await page.screenshot({ path: `${shots}/csms-1.png` });
  await click(page.getByRole("button", { name: "Close" }));
});

await step("testing it says what was found, and where it leaves the standard", async () => {
  await page.waitForSelector("main .card h2:has-text('acme')");
  await click(page.getByRole("button", { name: "Test" }));
  await page.waitForSelector("main .checks li.good", { timeout: 30000 });
  assert.deepEqual(await accessible(page, "csms-partner"), []);
});

await step("a site comes out of its locations, with a limit; first only shown", async () => {
  await page.getByText("Take over EVSEs from its locations").click();
  await page.fill("main input[name=site]", "HAM-1");
  await page.fill("main input[name=limit]", "30");
  await click(page.getByRole("button", { name: "Show what would be done" }));
  await page.waitForSelector("text=Would be added: 4.");
  await click(page.getByRole("button", { name: "Take over", exact: true }));
  await page.waitForSelector("text=Added: 4.");
  assert.equal((await api(page, "/sites/HAM-1")).evses.length, 4);
});

await step("in shadow the plan is there, nothing is sent, and the story says what it is worth", async () => {
  await page.selectOption(".top select", "HAM-1");
  await goto(page, "plan");
  await page.waitForFunction(() => document.querySelectorAll(".strip[role=slider]").length >= 4, null, { timeout: 60000 });
  await goto(page, "rollout");
  await page.waitForSelector("text=What it would have saved");
  await page.waitForSelector("text=What would be sent now");
  assert.equal(await mode(), "shadow");
  const plan = await api(page, "/sites/HAM-1/plan?compact=true");
  assert.ok(plan.evses.every((e) => e.sent_now_kw === null), "something was sent in shadow");
  assert.deepEqual(await accessible(page, "csms-shadow"), []);
});

await step("one EVSE as a canary: sent, confirmed, measured; the others keep their own", async () => {
  await page.locator("tbody tr", { hasText: "E1" }).locator("input[type=checkbox]").check();
  await click(page.getByRole("button", { name: "Switch to canary" }));
  await page.waitForFunction(async () => {
    const plan = await (await fetch("/api/v1/sites/HAM-1/plan?compact=true")).json();
    return plan.evses.find((e) => e.evse.endsWith("E1"))?.confirmed_now_kw !== null;
  }, null, { timeout: 30000 });
  const plan = await api(page, "/sites/HAM-1/plan?compact=true");
  assert.ok(plan.evses.filter((e) => !e.evse.endsWith("E1")).every((e) => e.sent_now_kw === null));
});

await step("live: every EVSE is asked, accepted and measured within the limit", async () => {
  await click(page.getByRole("button", { name: "Switch to live" }));
  await page.waitForFunction(async () => {
    const plan = await (await fetch("/api/v1/sites/HAM-1/plan?compact=true")).json();
    return plan.evses.length >= 4 && plan.evses.every((e) => e.confirmed_now_kw !== null);
  }, null, { timeout: 60000 });
  await goto(page, "chargers");
  await page.waitForSelector("main tbody tr:nth-child(4)");
  await page.waitForTimeout(2500);
  const bound = await api(page, "/sites/HAM-1/bound");
  const sum = bound.circuits[0].evses.reduce((total, e) => total + e.may_draw_kw, 0);
  assert.ok(sum <= 30.001, `${sum} kW may be drawn`);
  await page.screenshot({ path: `${shots}/csms-chargers.png` });
});

await step("an aggregator's token may send signals and see nothing else; its limit is weighed first", async () => {
  await goto(page, "access");
  const form = page.locator("form.stack").nth(1);
  await form.locator("input[name=name]").fill("aggregator");
  await form.locator("input[value='signals:write']").check();
  await form.locator("select[name=site]").selectOption("HAM-1");
  await click(form.getByRole("button", { name: "Make" }));
  const token = (await page.innerText(".made code")).trim();
  const send = (query, values) => fetch(`${origin}/api/v1/sites/HAM-1/signals/agg-limit${query}`, {
    method: "PUT", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ kind: "import_limit", unit: "kW", start: new Date().toISOString(), resolution: "PT15M", values }),
  });
  const weighed = await (await send("?dry_run=true", [15, 15, 25])).json();
  assert.ok(weighed.effect.shifted_kw > 0, JSON.stringify(weighed));
  assert.equal((await send("", [15, 15, 25])).status, 201);
  const other = await fetch(`${origin}/api/v1/sites/HAM-1/sessions`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(other.status, 403);
  await goto(page, "signals");
  await page.waitForSelector(".piece.by-signal b:has-text('15 kW')", { timeout: 15000 });
  await page.waitForFunction(async () => {
    const bound = await (await fetch("/api/v1/sites/HAM-1/bound")).json();
    return bound.circuits[0].evses.reduce((total, e) => total + e.may_draw_kw, 0) <= 15.001;
  }, null, { timeout: 60000 });
  assert.deepEqual(await accessible(page, "csms-signals"), []);
});

await step("back to shadow takes our limits off", async () => {
  await goto(page, "rollout");
  await click(page.getByRole("button", { name: "Switch to shadow" }));
  await page.waitForFunction(async () => (await (await fetch("/api/v1/sites/HAM-1/mode")).json()).mode === "shadow", null, { timeout: 10000 });
});

await step("no console error, and no request left for another origin", async () => {
  assert.deepEqual(page.seen.errors, []);
  assert.deepEqual(page.seen.foreign, []);
});

console.log(`     from the link to live limits and an aggregator's signal: ${clicks} clicks, ${Math.round((Date.now() - begun) / 1000)} s of a machine's time`);
cpo.kill();
await end();
