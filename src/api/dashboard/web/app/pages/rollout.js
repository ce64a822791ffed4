// From looking on to steering, step by step, and back at any time.
import { html, useState } from "../lib.js";
import { part, put } from "../api.js";
import { Card, Empty, Page, Pill, Problem, Table, Tile, Waiting, say } from "../parts.js";
import { canOperate, refresh, site, useData } from "../store.js";
import { kw, number } from "../time.js";
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

function Story({ report, mode }) {
  const base = report.baseline.figures;
  return html`<dl class="tiles">
    <${Tile} label=${mode === "live" ? t("Saved so far") : t("Saved by what was measured")} value=${report.saving === null ? "–" : `${number(report.saving, 2)} ${report.currency}`}
      note=${t("against unmanaged")} />
    <${Tile} label=${t("Peak measured")} value=${kw(report.actual.peak_15min_kw)} note=${t("unmanaged {peak}", { peak: kw(base.peak_15min_kw) })} />
    <${Tile} label=${t("Minutes over the limit")} value=${number(report.actual.minutes_over_limit, 0)} note=${t("unmanaged {count}", { count: number(base.minutes_over_limit, 0) })} />
  </dl>`;
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
