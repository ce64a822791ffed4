// Drives the dashboard of the running demo as people do. One step after the other, since the demo's
// day goes on: each step says what it shows and throws if that is not so.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { accessible, api, end, goto, link, open, origin, shots, step } from "./lib.mjs";

const PAGES = ["today", "plan", "vehicles", "chargers", "signals", "partners", "rollout", "reports", "site", "events", "access"];
const root = new URL("../../", import.meta.url);
const saving = fileURLToPath(new URL("examples/saving.py", root));
const grafana = new URL("examples/deploy/grafana.json", root);
const PASSWORD = "correct horse battery staple";

const { context, page } = await open({ acceptDownloads: true });

await step("the link signs in once and leaves the address", async () => {
  await page.goto(link);
  await page.waitForSelector("nav.pages");
  assert.ok(!page.url().includes("code="), page.url());
  const other = await open();
  await other.page.goto(link);
  await other.page.waitForSelector(".sign-in");
  await other.context.close();
});

await step("the page is there within a second and weighs less than 150 kB", async () => {
  const fresh = await context.newPage();
  await fresh.goto(`${origin}/#/today`);
  await fresh.waitForSelector(".tiles");
  const seen = await fresh.evaluate(() => ({
    bytes: performance.getEntriesByType("resource").filter((r) => r.name.includes("/assets/")).reduce((sum, r) => sum + r.encodedBodySize, 0),
    first: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  }));
  console.log(`     ${Math.round(seen.bytes / 1024)} kB, first paint after ${Math.round(seen.first)} ms`);
  assert.ok(seen.bytes > 0 && (seen.bytes < 150 * 1024 || process.env.ASSETS), `${seen.bytes} bytes`);
  assert.ok(seen.first < 1000, `${seen.first} ms`);
  await fresh.close();
});

await step("the policy of the page forbids what is not ours", async () => {
  const response = await page.request.get(`${origin}/`);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /^default-src 'self';/);
  assert.ok(!policy.includes("unsafe"), policy);
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.injected = true";
    document.body.append(script);
    return window.injected === true;
  });
  assert.equal(ran, false, "an inline script ran");
  page.seen.errors = page.seen.errors.filter((e) => !/Content Security Policy|inline script/i.test(e));
});

await step("cars come while we look, without a reload", async () => {
  await goto(page, "today");
  await page.waitForFunction(() => document.querySelectorAll("main .scroll tbody tr").length >= 25, null, { timeout: 120000 });
});

for (const name of PAGES) {
  await step(`the page ${name} shows data and axe finds nothing serious, light and dark`, async () => {
    await goto(page, name);
    await page.waitForFunction(() => !/Loading …/.test(document.querySelector("main").innerText), null, { timeout: 15000 });
    const marks = { plan: ".grid .strip", reports: ".chart canvas", access: "form", site: "form", today: ".chart canvas" };
    await page.waitForSelector(marks[name] ?? "main table tbody tr, main dl.facts", { timeout: 10000 });
    assert.ok(!/undefined|NaN|\[object/.test(await page.innerText("main")), "a value that is none");
    assert.deepEqual(await accessible(page, name), []);
  });
}

await step("a click on a cell of the plan says why, and so do the arrow keys", async () => {
  await goto(page, "plan");
  const strip = page.locator(".strip[role=slider]").nth(3);
  await strip.click({ position: { x: 20, y: 8 } });
  await page.waitForSelector(".why");
  const facts = await page.innerText(".why-card");
  assert.match(facts, /Shadow price/);
  assert.match(await page.innerText(".why"), /\w+/);
  const before = await strip.getAttribute("aria-valuenow");
  await strip.press("ArrowRight");
  assert.equal(Number(await strip.getAttribute("aria-valuenow")), Number(before) + 1);
  assert.match(await strip.getAttribute("aria-valuetext"), /kW/);
});

await step("an override says its cost and whom it delays before it holds, and is lifted by one click", async () => {
  await goto(page, "today");
  const row = page.locator("main .scroll tbody tr").first();
  const evse = (await row.locator("th").innerText()).trim();
  const find = async () => (await api(page, "/sites/depot/sessions")).sessions.find((s) => s.evse === evse);
  await row.getByRole("button", { name: /Pause/ }).click();
  await page.waitForSelector("dialog[open] .tile");
  const text = await page.innerText("dialog[open]");
  assert.match(text, /Cost/i);
  assert.match(text, /Delayed|delays nobody/i);
  await page.screenshot({ path: `${shots}/override.png` });
  assert.equal((await find())?.override, null, "nothing holds before it is confirmed");
  await page.locator("dialog[open] .actions").getByRole("button", { name: "Pause" }).click();
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  assert.equal((await find())?.override, "pause");
  const again = page.locator("main .scroll tbody tr", { has: page.locator(`th:text-is("${evse}")`) });
  await again.locator("button[aria-pressed=true]").click();
  await page.waitForFunction(async (name) => {
    const answer = await (await fetch("/api/v1/sites/depot/sessions")).json();
    return answer.sessions.find((s) => s.evse === name)?.override === null;
  }, evse, { timeout: 10000 });
});

await step("a departure is moved, and what it changes is shown first", async () => {
  await goto(page, "vehicles");
  const row = page.locator("main .scroll tbody tr").first();
  const evse = (await row.locator("th").innerText()).trim();
  await row.getByRole("button", { name: /Move departure/ }).click();
  await page.waitForSelector("dialog[open] .tile");
  await page.fill("dialog[open] input[type=number]", "33.3");
  await page.waitForSelector("dialog[open] .actions button.main:not([disabled])");
  await page.screenshot({ path: `${shots}/move.png` });
  await page.locator("dialog[open] .actions button.main").click();
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  const filed = (await api(page, "/sites/depot/departures")).departures.find((d) => d.key === evse);
  assert.equal(filed.energy_kwh, 33.3);
  await page.evaluate(async (name) => {
    const token = (await (await fetch("/api/v1/login")).json()).csrf_token;
    await fetch(`/api/v1/sites/depot/departures/${name}`, { method: "DELETE", headers: { "X-CSRF-Token": token } });
  }, evse);
});

await step("departures are pasted from a spreadsheet, checked, taken, and shown", async () => {
  await goto(page, "vehicles");
  const evses = (await api(page, "/sites/depot/sessions")).sessions.slice(-2).map((s) => s.evse);
  await page.fill("textarea", `${evses[0]}\tlater\t12,5`);
  await page.waitForSelector("ul.problem");
  await page.fill("textarea", `${evses[0]}\t23:30\t12,5\n${evses[1]}\t23:45\t30`);
  await page.getByRole("button", { name: "Add 2 rows" }).click();
  await page.waitForFunction(() => /2 departures taken/.test(document.querySelector(".toast")?.innerText));
  const filed = (await api(page, "/sites/depot/departures")).departures;
  assert.deepEqual(filed.map((d) => d.key).sort(), [...evses].sort());
  assert.deepEqual(filed.map((d) => d.energy_kwh).sort(), [12.5, 30]);
  await page.waitForFunction((name) => document.body.innerText.includes("departures table"), evses[0], { timeout: 10000 });
  await page.screenshot({ path: `${shots}/paste.png` });
});

await step("a limit is weighed, set, and seen as the winner", async () => {
  await goto(page, "signals");
  await page.getByRole("button", { name: "Limit the site for a while" }).click();
  await page.fill("dialog input >> nth=0", "90");
  await page.getByRole("button", { name: "What would it do?" }).click();
  await page.waitForSelector("dialog dl.tiles");
  await page.getByRole("button", { name: "Do it" }).click();
  await page.waitForFunction(() => /dashboard-limit/.test(document.querySelector("main").innerText) && /90 kW/.test(document.querySelector("main").innerText), null, { timeout: 10000 });
});

await step("the partner is tested from its page and its exchanges are masked", async () => {
  await goto(page, "partners");
  await page.getByRole("button", { name: "Test" }).click();
  await page.waitForSelector(".checks li.good", { timeout: 20000 });
  await page.getByText("Last exchanges, secrets masked").click();
  await page.waitForSelector("details table tbody tr");
  await page.locator("details table button").first().click();
  await page.waitForSelector("dialog[open] pre");
  await page.getByRole("button", { name: "Close" }).click();
});

await step("shadow, canary, live and back are in the audit", async () => {
  await goto(page, "rollout");
  const switched = (name) => page.waitForFunction(async (mode) => (await (await fetch("/api/v1/sites/depot/mode")).json()).mode === mode, name, { timeout: 10000 });
  await page.getByRole("button", { name: "Switch to shadow" }).click();
  await switched("shadow");
  await page.waitForSelector("text=What would be sent now");
  await page.locator("tbody input[type=checkbox]").first().check();
  await page.getByRole("button", { name: "Switch to canary" }).click();
  await switched("canary");
  await page.getByRole("button", { name: "Switch to live" }).click();
  await switched("live");
  const audit = (await api(page, "/audit?site=depot")).entries.filter((e) => e.path.endsWith("/mode"));
  assert.ok(audit.length >= 3, JSON.stringify(audit));
});

await step("events arrive by themselves", async () => {
  await goto(page, "events");
  const newest = () => page.locator("main table").first().locator("tbody tr").first().innerText();
  const before = await newest();
  await page.waitForFunction((old) => document.querySelector("main table tbody tr")?.innerText !== old, before, { timeout: 30000 });
});

await step("people with a role see what it is for, and nothing beyond", async () => {
  await goto(page, "access");
  for (const role of ["viewer", "operator"]) {
    await page.fill("form.stack >> nth=0 >> input[name=name]", role);
    await page.selectOption("form.stack select[name=role]", role);
    await page.fill("input[name=password]", PASSWORD);
    await page.locator("form.stack").first().getByRole("button", { name: "Save" }).click();
    await page.waitForSelector(`th:has-text("${role}")`);
  }
  for (const [role, buttons] of [["viewer", false], ["operator", true]]) {
    const other = await open();
    other.page.mayBeRefused = true;
    await other.page.goto(origin);
    await other.page.fill("input[name=user]", role);
    await other.page.fill("input[name=password]", "this is not the password");
    await other.page.getByRole("button", { name: "Sign in" }).click();
    await other.page.waitForSelector(".problem");
    await other.page.fill("input[name=password]", PASSWORD);
    await other.page.getByRole("button", { name: "Sign in" }).click();
    await other.page.waitForSelector("main .scroll tbody tr");
    assert.equal((await other.page.getByRole("button", { name: /Pause/ }).count()) > 0, buttons, role);
    assert.equal(await other.page.locator('nav a[href="#/access"]').count(), 0);
    const refused = await other.page.evaluate(async () => (await fetch("/api/v1/users")).status);
    assert.equal(refused, 403);
    const forged = await other.page.evaluate(async () => (await fetch("/api/v1/sites/depot/mode", { method: "PUT", headers: { "Content-Type": "application/json" }, body: '{"mode":"shadow"}' })).status);
    assert.equal(forged, 403, "a write without the second secret");
    assert.deepEqual(other.page.seen.errors, []);
    await other.page.getByRole("button", { name: "Sign out" }).click();
    await other.page.waitForSelector(".sign-in");
    assert.equal(await other.page.evaluate(async () => (await fetch("/api/v1/sites")).status), 401);
    await other.context.close();
  }
});

await step("a token is made, works, and is revoked", async () => {
  await goto(page, "access");
  const form = page.locator("form.stack").nth(1);
  await form.locator("input[name=name]").fill("script");
  await form.locator("input[value=read]").check();
  await form.getByRole("button", { name: "Make" }).click();
  const token = (await page.innerText(".made code")).trim();
  const call = () => fetch(`${origin}/api/v1/sites`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal((await call()).status, 200);
  await page.getByRole("button", { name: /Revoke/ }).click();
  await page.waitForFunction(() => !document.querySelector("button[aria-label^=Revoke]"));
  assert.equal((await call()).status, 401);
});

await step("German and dark by choice stay after a reload", async () => {
  await goto(page, "today");
  await page.getByRole("button", { name: "Deutsch" }).click();
  await page.waitForSelector("h1:has-text('Heute')");
  await page.getByRole("button", { name: /^Farben/ }).click();
  await page.reload();
  await page.waitForSelector("h1:has-text('Heute')");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
  await page.screenshot({ path: `${shots}/today-german-dark.png` });
  for (const name of PAGES) {
    await goto(page, name);
    await page.waitForTimeout(500);
  }
  const missing = await page.evaluate(async () => [...(await import("/assets/app/text.js")).missing]);
  assert.deepEqual(missing, [], "shown in English though German is chosen");
  await page.getByRole("button", { name: "English" }).click();
});

await step("on a phone nothing is wider than the screen", async () => {
  const state = await context.storageState();
  const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, storageState: state });
  for (const name of PAGES) {
    await goto(phone.page, name);
    await phone.page.waitForTimeout(700);
    const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 1, `${name} is ${wide} px too wide`);
    await phone.page.screenshot({ path: `${shots}/${name}-phone.png` });
  }
  assert.deepEqual(phone.page.seen.errors, []);
  await phone.context.close();
});

await step("500 chargers: today and plan stay quick while all of it changes twice a second", async () => {
  const many = await open({ storageState: await context.storageState() });
  const count = 500;
  const at = (minutes) => new Date(Date.UTC(2019, 9, 2, 6, 0) + minutes * 60e3).toISOString();
  let turn = 0;
  await many.page.route("**/sites/depot/sessions", (route) => {
    turn += 1;
    const sessions = Array.from({ length: count }, (_, i) => ({
      session: `s${i}`, native_id: `s${i}`, evse: `EVSE-${String(i).padStart(3, "0")}`, status: "active",
      started_at: at(-60), updated_at: at(0), energy_kwh: i / 10 + turn, power_kw: (i + turn) % 11, measured_at: at(0),
      departure: at(200 + i), departure_source: "session", remaining_kwh: 10 + (i % 7), energy_source: "session", late: false,
      ready_at: at(150 + ((i * 7 + turn) % 300)), unmet_kwh: i % 50 === 0 ? 2 : 0, override: null, control: { type: "controllable" },
    }));
    route.fulfill({ json: { site: "depot", at: at(0), sessions } });
  });
  await many.page.route("**/sites/depot/plan?compact=true", (route) => {
    const steps = (i) => Array.from({ length: 24 }, (_, k) => [k * 12, (i + k + turn) % 3 ? ((i + k) % 11) : 0]);
    const evses = Array.from({ length: count }, (_, i) => ({
      evse: `EVSE-${String(i).padStart(3, "0")}`, session: `s${i}`, departure: at(200 + i), ready_at: at(150), needed_kwh: 10, unmet_kwh: 0,
      limited_by: [], max_kw: 11, planned_kw: steps(i), reasons: [[0, "cheap_slot"]], sent_now_kw: 7, confirmed_now_kw: 7, measured_kw: 6, may_draw_kw: 7,
    }));
    route.fulfill({ json: { site: "depot", at: at(0), plan_id: 1 + turn, made_at: at(0), origin: "optimal", start: at(0), slot_s: 300, slots: 288, cost: 9, currency: "EUR",
      price_per_kwh: steps(1).map(([s, v]) => [s, v / 100]), evses, circuits: [{ circuit: "site", limit_kw: [[0, 4000]], uncontrolled_kw: [[0, 0]], planned_kw: steps(5), shadow_price_per_kwh: [[0, 0]] }] } });
  });
  for (const [name, rows, least] of [["today", "main .scroll tbody tr", 60], ["plan", ".strip[role=slider]", count]]) {
    await goto(many.page, name);
    await many.page.waitForFunction(([sel, n]) => document.querySelectorAll(sel).length >= n, [rows, least], { timeout: 10000 });
    const slow = await many.page.evaluate(() => new Promise((done) => {
      const tasks = [];
      new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
      setTimeout(() => done(tasks), 6000);
    }));
    const longest = Math.round(Math.max(0, ...slow));
    console.log(`     ${name}: ${slow.length} tasks over 50 ms in 6 s, the longest ${longest} ms`);
    assert.ok(longest < 500, `${name}: a task of ${longest} ms`);
    await many.page.screenshot({ path: `${shots}/${name}-500.png` });
  }
  await many.context.close();
});

await step("the saving can be reckoned again from the exported files", async () => {
  await goto(page, "reports");
  const file = async (button) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: button }).click()]);
    return download.path();
  };
  await page.waitForSelector(".tile .figure");
  // Time goes on between the questions: a minute more or less moves the last digits.
  const report = await api(page, "/reports/savings?site=depot");
  const told = execFileSync("python3", [saving, await file("Powers as CSV"), await file("Sessions as CSV")], { encoding: "utf8" });
  const again = Number(/saving (.*)/.exec(told)[1]);
  console.log(`     the report says ${report.saving.toFixed(4)}, the script ${again.toFixed(4)}`);
  assert.ok(Math.abs(again - report.saving) < 0.02 + 0.02 * Math.abs(report.saving), told);
});

await step("every metric that the Grafana dashboard asks for is counted", async () => {
  const text = await (await fetch(`${origin}/metrics`)).text();
  const asked = new Set(readFileSync(grafana, "utf8").match(/evenload_[a-z0-9_]+/g));
  const silent = [...asked].filter((name) => !new RegExp(`^${name}(\\{| )`, "m").test(text));
  // Nothing of the kind has happened in the demo yet.
  const rare = ["evenload_excursions_total", "evenload_ocpi_callback_timeout_total", "evenload_solve_fallback_total"];
  assert.deepEqual(silent.filter((name) => !rare.includes(name)), []);
});

await step("the API's documentation is there offline", async () => {
  const docs = await context.newPage();
  await docs.goto(`${origin}/api/docs`);
  await docs.waitForSelector("details");
  assert.ok((await docs.locator("details").count()) > 40);
  await docs.close();
});

await step("no console error, and no request left for another origin", async () => {
  assert.deepEqual(page.seen.errors, []);
  assert.deepEqual(page.seen.foreign, []);
});

await end();
