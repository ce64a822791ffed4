// What both runs share: a browser whose every complaint is a fault, and steps that say what they show.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.env.TOOLS}/`);
const { chromium } = require("playwright-core");
export const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const link = process.env.LINK;
export const origin = new URL(link).origin;
export const shots = process.env.SHOTS;

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const faults = [];
let count = 0;

export async function step(what, work) {
  const begun = Date.now();
  try {
    await work();
    count += 1;
    console.log(`ok   ${what} (${Date.now() - begun} ms)`);
  } catch (error) {
    faults.push(what);
    console.log(`FAIL ${what}\n     ${String(error.message).split("\n").slice(0, 8).join("\n     ")}`);
  }
}

// A context whose every console error, page error, and request off origin is a fault.
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", ...options });
  await overlay(context);
  const page = await context.newPage();
  page.seen = { errors: [], foreign: [], bytes: 0 };
  page.on("console", (m) => {
    // A refused sign-in is logged by the browser itself; it is what that step wants.
    const wanted = /status of (401|403)/.test(m.text()) && page.mayBeRefused;
    if (m.type() === "error" && !wanted) page.seen.errors.push(m.text());
  });
  page.on("pageerror", (error) => page.seen.errors.push(error.message));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(blob|data):/.test(url)) page.seen.foreign.push(url);
  });
  return { context, page };
}

// ASSETS names a folder whose files are used instead of the binary's: to try changes without a build.
async function overlay(context) {
  if (!process.env.ASSETS) return;
  await context.route("**/assets/**", (route) => {
    const path = new URL(route.request().url()).pathname.replace("/assets/", "");
    const type = { js: "text/javascript", css: "text/css", svg: "image/svg+xml" }[path.split(".").pop()];
    route.fulfill({ body: readFileSync(`${process.env.ASSETS}/${path}`), contentType: type ?? "text/plain" });
  });
}

export const goto = async (page, name) => {
  await page.goto(`${origin}/#/${name}`);
  await page.waitForSelector(`nav.pages a[href="#/${name}"][aria-current=page]`);
};
export const api = (page, path) => page.evaluate(async (p) => (await fetch(`/api/v1${p}`)).json(), path);

// Nothing serious by axe, in both colours.
export async function accessible(page, name) {
  await page.evaluate(axe);
  const found = [];
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    // Colours change within a moment; the chart is drawn anew.
    await page.waitForTimeout(400);
    await page.screenshot({ path: `${shots}/${name}-${scheme}.png` });
    const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const grave = result.violations.filter((v) => ["serious", "critical"].includes(v.impact));
    found.push(...grave.map((v) => `${scheme} ${v.id}: ${v.nodes[0].html.slice(0, 120)}`));
  }
  await page.emulateMedia({ colorScheme: "light" });
  return found;
}

export async function end() {
  await browser.close();
  console.log(`${count} steps passed, ${faults.length} failed${faults.length ? `: ${faults.join("; ")}` : ""}`);
  process.exit(faults.length ? 1 : 0);
}
