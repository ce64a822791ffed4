// The frame around the pages: sign-in, navigation, the live line.
import { effect, html, render } from "./lib.js";
import { remove } from "./api.js";
import { Said } from "./parts.js";
import { OverrideDialog } from "./override.js";
import { SignIn, useLink } from "./sign_in.js";
import {
  canOperate, connection, isAdmin, language, live, loadMe, me, now, route, site, siteInfo, sites, theme,
} from "./store.js";
import { clockSeconds, longDate } from "./time.js";
import { mode, t } from "./text.js";
import { Today } from "./pages/today.js";
import { Plan } from "./pages/plan.js";
import { Vehicles } from "./pages/vehicles.js";
import { Partners } from "./pages/partners.js";
import { Signals } from "./pages/signals.js";
import { Reports } from "./pages/reports.js";
import { Events } from "./pages/events.js";
import { Rollout } from "./pages/rollout.js";
import { Access } from "./pages/access.js";
import { Chargers } from "./pages/chargers.js";
import { Site } from "./pages/site.js";

const PAGES = [
  { name: "today", title: "Today", page: Today },
  { name: "plan", title: "Plan", page: Plan },
  { name: "vehicles", title: "Vehicles", page: Vehicles },
  { name: "chargers", title: "Chargers", page: Chargers, siteless: true },
  { name: "signals", title: "Signals", page: Signals },
  { name: "partners", title: "Partners", page: Partners, siteless: true },
  { name: "rollout", title: "Rollout", page: Rollout },
  { name: "reports", title: "Reports", page: Reports },
  { name: "site", title: "Site", page: Site, siteless: true },
  { name: "events", title: "Events", page: Events },
  { name: "access", title: "Access", page: Access, siteless: true, admin: true },
];

function follow() {
  const name = /^#\/(\w+)/.exec(location.hash)?.[1];
  route.value = PAGES.some((p) => p.name === name) ? name : "today";
}
addEventListener("hashchange", () => {
  follow();
  document.querySelector("h1")?.focus();
});

const MODE_KINDS = { live: "good", canary: "warn", shadow: "warn", observe: "idle" };

function Head() {
  const state = live.value;
  const link = { live: t("live"), lost: t("reconnecting"), off: t("not connected") }[connection.value];
  return html`<header class="top">
    <a class="brand" href="#/today"><img src="/assets/icon.svg" alt="" width="26" height="26" />evenload</a>
    ${
      sites.value.length > 0 &&
      html`<label class="site"><span class="unseen">${t("Site")}</span>
        <select value=${site.value} onChange=${(e) => (site.value = e.target.value)}>
          ${sites.value.map((s) => html`<option value=${s.site}>${s.name || s.site}</option>`)}
        </select>
      </label>`
    }
    ${
      state &&
      html`<a class=${`mode ${MODE_KINDS[state.mode] ?? ""}`} href="#/rollout">${mode(state.mode)}</a>`
    }
    <span class="grow"></span>
    ${
      state &&
      html`<span class="clock"><time datetime=${state.at}><span class="wide">${longDate(now.value)}, </span>${clockSeconds(now.value)}</time></span>`
    }
    ${sites.value.length > 0 && html`<span class=${`link ${connection.value}`} role="status">${link}</span>`}
    <button type="button" class="plain" onClick=${() => (language.value = language.value === "de" ? "en" : "de")}
      lang=${language.value === "de" ? "en" : "de"}>${language.value === "de" ? "English" : "Deutsch"}</button>
    <button type="button" class="plain" onClick=${nextTheme} aria-label=${t("Colours: {theme}", { theme: t(theme.value) })}
      title=${t("Colours: {theme}", { theme: t(theme.value) })}>${{ auto: "◐", light: "☀", dark: "☾" }[theme.value]}</button>
    <button type="button" class="plain" onClick=${signOut}>${t("Sign out")}</button>
  </header>`;
}

function nextTheme() {
  theme.value = { auto: "dark", dark: "light", light: "auto" }[theme.value] ?? "auto";
}

async function signOut() {
  await remove("/login").catch(() => {});
  me.value = { signed_in: false };
}

function App() {
  if (me.value === null) return html`<p class="loading">evenload</p>`;
  if (!me.value.signed_in) return html`<${SignIn} />`;
  const offered = PAGES.filter((p) => !p.admin || isAdmin.value);
  const current = offered.find((p) => p.name === route.value) ?? offered[0];
  const shown = site.value || current.siteless ? html`<${current.page} key=${`${current.name} ${site.value}`} />` : html`<${Site} />`;
  return html`<a class="skip" href="#main" onClick=${skip}>${t("Skip to the content")}</a>
    <${Head} />
    <nav class="pages" aria-label=${t("Pages")}>
      ${offered.map(
        (p) => html`<a href=${`#/${p.name}`} aria-current=${p.name === current.name ? "page" : undefined}>${t(p.title)}</a>`,
      )}
    </nav>
    <main id="main">${shown}</main>
    <footer>
      <span>${me.value.name} · ${t(me.value.role ?? "")}</span>
      <a href="/api/docs">API</a>
      <a href="/metrics">${t("Metrics")}</a>
      <a href="/assets/vendor/NOTICE">${t("Licences")}</a>
    </footer>
    <${Said} />
    <${OverrideDialog} />`;
}

function skip(event) {
  event.preventDefault();
  document.querySelector("h1")?.focus();
}

async function start() {
  follow();
  await useLink();
  await loadMe();
}

render(html`<${App} />`, document.getElementById("app"));
document.querySelector("#app > .loading:not(:only-child)")?.remove();
start().catch((error) => {
  document.getElementById("app").textContent = `evenload: ${error.message}`;
});
