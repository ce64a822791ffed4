// From looking on to steering, step by step, and back at any time.
import { html, useState } from "../lib.js";
import { part, put } from "../api.js";
import { Card, Empty, Page, Pill, Problem, Table, Tile, Waiting, say } from "../parts.js";
import { canOperate, refresh, site, useData } from "../store.js";
import { dateClock, kw, kwh, money, number } from "../time.js";
import { mode as modeName, t } from "../text.js";
import { at } from "../strip.js";

const STEPS = [
  { name: "observe", text: "No limit is known: sessions are only watched, nothing is ever sent." },
  { name: "shadow", text: "Plans are made and shown, nothing is sent. See below what would be." },
  { name: "canary", text: "Limits go to the EVSEs you name; all others keep their own." },
  { name: "live", text: "Limits go to every EVSE of the site." },
];

export function Rollout() {
  const path = `/sites/${part(site.value)}`;
  const mode = useData(`${path}/mode`);
  const plan = useData(`${path}/plan?compact=true`);
  const report = useData(`/reports/savings?site=${part(site.value)}`, { slow: true });
  const [chosen, setChosen] = useState(null);
  const [error, setError] = useState(null);
  if (!mode.data) return html`<${Page} title=${t("Rollout")}><${Waiting} of=${mode} /><//>`;
  const named = chosen ?? new Set(mode.data.evses);
  const set = async (name) => {
    setError(null);
    const body = name === "canary" ? { mode: name, evses: [...named] } : { mode: name };
    try {
      await put(`${path}/mode`, body);
      say(t("The site is now in mode {mode}.", { mode: modeName(name) }));
      setChosen(null);
      mode.reload();
      refresh.value += 1;
    } catch (problem) {
      setError(problem);
    }
  };
  const toggle = (evse) => {
    const next = new Set(named);
    if (!next.delete(evse)) next.add(evse);
    setChosen(next);
  };
  return html`<${Page} title=${t("Rollout")} lead=${t("Every change of mode is in the audit. Going back takes our limits off, the least risky first.")}>
    <${Card}>
      <ol class="steps">
        ${STEPS.map((step) => {
          const current = step.name === mode.data.effective_mode;
          const off = step.name === "observe" || (step.name === "canary" && named.size === 0);
          return html`<li class=${current ? "current" : ""} aria-current=${current ? "step" : undefined}>
            <h2>${modeName(step.name)}</h2>
            <p>${t(step.text)}</p>
            ${canOperate.value && (!current || (step.name === "canary" && chosen)) && step.name !== "observe" &&
              html`<button type="button" class=${step.name === "live" ? "main" : ""} disabled=${off} onClick=${() => set(step.name)}>${
                t("Switch to {mode}", { mode: modeName(step.name) })}</button>
                ${step.name === "canary" && off && html`<small>${t("Name EVSEs below first.")}</small>`}`}
            ${current && html`<${Pill} kind="good">${t("now")}<//>`}
          </li>`;
        })}
      </ol>
      ${mode.data.hint && html`<p class="problem">${mode.data.hint}</p>`}
      <${Problem} error=${error} />
    <//>
    ${report.data && html`<${Story} report=${report.data} mode=${mode.data.effective_mode} />`}
    <${Card} title=${mode.data.effective_mode === "live" ? t("What is sent") : t("What would be sent now")}>
      ${!plan.data ? html`<${Waiting} of=${plan} />` : plan.data.evses.length === 0 ? html`<${Empty}>${t("No car is connected.")}<//>`
        : html`<${Sent} plan=${plan.data} named=${named} toggle=${toggle} />`}
    <//>
  <//>`;
}

// In shadow: what happened without us, and what could have been. Live: what was saved.
function Story({ report, mode }) {
  const base = report.baseline.figures;
  const own = report.actual;
  const better = report.hindsight;
  const sum = (amount) => (amount === null || amount === undefined ? "–" : `${money(amount)} ${report.currency}`);
  const sends = mode === "live" || mode === "canary";
  return html`<${Card} title=${sends ? t("What it has saved") : t("What it would have saved")}
      aside=${report.from && t("Measured from {from} to {to}.", { from: dateClock(report.from), to: dateClock(report.to) })}>
    <dl class="tiles">
      ${sends
        ? html`<${Tile} label=${t("Saved so far")} value=${sum(report.saving)} kind=${report.saving > 0.005 ? "good" : ""} note=${t("against unmanaged")} />`
        : html`<${Tile} label=${t("Cost as it went")} value=${sum(own.cost)} note=${kwh(own.energy_kwh)} />`}
      <${Tile} label=${t("Could be saved at most")} value=${sum(better?.saving)} note=${t("in hindsight, under the limit")} />
      <${Tile} label=${t("Peak, 15 min")} value=${kw(own.peak_15min_kw)} note=${t("unmanaged {peak}", { peak: kw(base.peak_15min_kw) })} />
      <${Tile} label=${t("Minutes over the limit")} value=${number(own.minutes_over_limit, 0)} kind=${own.minutes_over_limit > 0 ? "bad" : "good"} note=${t("unmanaged {count}", { count: number(base.minutes_over_limit, 0) })} />
    </dl>
    <details><summary>${t("How is this computed?")}</summary><p lang="en">${report.method}</p>
      <p>${t("What evenload itself would have made of the recorded sessions:")} <code>evenload backtest sessions.csv --prices prices.csv --limit-kw N</code>.
      ${t("Both files are under Reports.")} <a href="#/reports">${t("Reports")}</a></p></details>
  <//>`;
}

function Sent({ plan, named, toggle }) {
  const columns = [
    { head: t("EVSE"), header: true, cell: (e) => e.evse },
    { head: t("May draw now"), number: true, cell: (e) => kw(e.may_draw_kw) },
    { head: t("Planned"), number: true, cell: (e) => kw(at(e.planned_kw, 0)) },
    { head: t("Sent"), number: true, cell: (e) => kw(e.sent_now_kw), wide: true },
    { head: t("Confirmed"), number: true, cell: (e) => kw(e.confirmed_now_kw) },
    { head: t("Measured"), number: true, cell: (e) => kw(e.measured_kw) },
    ...(canOperate.value ? [{ head: t("Canary"), cell: (e) => html`<input type="checkbox" checked=${named.has(e.evse)} onChange=${() => toggle(e.evse)} aria-label=${`${t("Canary")}: ${e.evse}`} />` }] : []),
  ];
  return html`<${Table} caption=${t("Limits per EVSE")} columns=${columns} rows=${plan.evses} keyOf=${(e) => e.evse} />`;
}
