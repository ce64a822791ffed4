// What the site could do instead, what it was asked for, and what came of it.
import { html, useState } from "./lib.js";
import { part } from "./api.js";
import { Chart } from "./chart.js";
import { Card, Dialog, Empty, Pill, Table, Waiting, download } from "./parts.js";
import { site, useData } from "./store.js";
import { clock, dayClock, kw, kwh, number, span } from "./time.js";
import { t } from "./text.js";

const VERDICTS = { accepted: "good", partially: "warn", rejected: "bad", withdrawn: "idle" };
const words = (name) => t(String(name ?? "–").replaceAll("_", " ").toLowerCase());

// Power that could be shed or added per slot, around the plan.
export function Flexibility() {
  const flexibility = useData(`/sites/${part(site.value)}/flexibility`, { slow: true });
  const f = flexibility.data;
  if (!f) return flexibility.error ? null : html`<${Card} title=${t("What it could do instead")}><${Waiting} of=${flexibility} /><//>`;
  if (f.slots.length === 0) return null;
  const column = (name) => f.slots.map((s) => s[name]);
  const now = f.slots[0];
  const series = [
    { label: t("At most kW"), values: column("p_max_kw"), colour: "--charge", step: true, dash: [3, 3], width: 1 },
    { label: t("Planned kW"), values: column("p_plan_kw"), colour: "--plan", step: true, fill: 18, width: 2 },
    { label: t("At least kW"), values: column("p_min_kw"), colour: "--limit", step: true, dash: [3, 3], width: 1 },
  ];
  return html`<${Card} title=${t("What it could do instead")} aside=${t("now: {up} less for {time}, {down} more", { up: kw(now.up_kw), down: kw(now.down_kw), time: span(now.up_duration_min * 60e3) })}>
    <${Chart} times=${f.slots.map((s) => Date.parse(s.start) / 1e3)} series=${series} height=${200} label=${t("Power that could be shed or added")} />
  <//>`;
}

export function Dispatches() {
  const dispatches = useData(`/dispatches?site=${part(site.value)}`, { slow: true });
  const [shown, setShown] = useState(null);
  const rows = dispatches.data?.dispatches ?? [];
  return html`<${Card} title=${t("Dispatches: asked for less or more")}>
    ${!dispatches.data ? html`<${Waiting} of=${dispatches} />` : rows.length === 0 ? html`<${Empty}>${t("None.")}<//>`
      : html`<${Table} caption=${t("Dispatches: asked for less or more")} rows=${rows} most=${20} keyOf=${(d) => d.id} columns=${[
          { head: t("Dispatch"), header: true, cell: (d) => html`<button type="button" class="linklike" onClick=${() => setShown(d.id)}>${d.id}</button>` },
          { head: t("From"), cell: (d) => dayClock(d.start) },
          { head: t("To"), cell: (d) => clock(d.end) },
          { head: t("Asked"), number: true, cell: (d) => (d.delta_kw !== null ? kw(d.delta_kw) : kw(d.power_kw)) },
          { head: t("State"), cell: (d) => html`<${Pill} kind=${VERDICTS[d.status] ?? "idle"}>${words(d.status)}<//> ${words(d.state)}` },
          { head: t("Source"), cell: (d) => d.source, wide: true },
        ]} />`}
    ${shown && html`<${Detail} id=${shown} onClose=${() => setShown(null)} />`}
  <//>`;
}

function Detail({ id, onClose }) {
  const settlement = useData(`/dispatches/${part(id)}/settlement`, { slow: true });
  const s = settlement.data;
  const file = () => {
    const header = ["start", "end", "requested_kw", "achievable_kw", "baseline_kw", "measured_kw", "delivered_kw", "quality"];
    download(`dispatch-${id}.csv`, header, s.slots.map((slot) => header.map((name) => slot[name])));
  };
  return html`<${Dialog} title=${id} onClose=${onClose} wide>
    ${!s ? html`<${Waiting} of=${settlement} />` : html`
      <dl class="facts">
        <dt>${t("State")}</dt><dd><${Pill} kind=${VERDICTS[s.status] ?? "idle"}>${words(s.status)}<//> ${words(s.state)}${s.final ? `, ${t("final")}` : ""}</dd>
        <dt>${t("Delivered")}</dt><dd>${kwh(s.totals.delivered_kwh)} ${t("of")} ${kwh(s.totals.requested_kwh)} ${s.totals.compliance_percent !== null && html`(${number(s.totals.compliance_percent, 0)} %)`}</dd>
        <dt>${t("Baseline")}</dt><dd>${s.baseline.method}, ${t("plan")} ${s.baseline.plan?.id ?? "–"} <small class="break">${s.baseline.hash}</small></dd>
      </dl>
      <${Table} caption=${t("Slots")} rows=${s.slots ?? []} columns=${[
        { head: t("From"), header: true, cell: (r) => dayClock(r.start) },
        { head: t("Asked"), number: true, cell: (r) => kw(r.requested_kw) },
        { head: t("Baseline"), number: true, cell: (r) => kw(r.baseline_kw) },
        { head: t("Measured"), number: true, cell: (r) => kw(r.measured_kw) },
        { head: t("Delivered"), number: true, cell: (r) => kw(r.delivered_kw) },
        { head: t("Quality"), cell: (r) => words(r.quality), wide: true },
      ]} />
      <p class="actions"><button type="button" onClick=${file}>CSV</button></p>
      <details><summary>${t("How is this computed?")}</summary><p lang="en">${s.method}</p></details>`}
  <//>`;
}

// For the report: what was asked for in the span, and what was delivered of it.
export function Delivered({ from }) {
  const dispatches = useData(`/dispatches?site=${part(site.value)}`, { slow: true });
  const rows = (dispatches.data?.dispatches ?? []).filter((d) => d.end >= from && d.status !== "rejected");
  if (rows.length === 0) return null;
  return html`<${Card} title=${t("Flexibility delivered")}>
    <${Table} caption=${t("Flexibility delivered")} rows=${rows} most=${20} keyOf=${(d) => d.id} columns=${[
      { head: t("Dispatch"), header: true, cell: (d) => d.id },
      { head: t("From"), cell: (d) => dayClock(d.start) },
      { head: t("To"), cell: (d) => clock(d.end) },
      { head: t("Delivered"), cell: (d) => html`<${Share} id=${d.id} />` },
    ]} />
  <//>`;
}

function Share({ id }) {
  const settlement = useData(`/dispatches/${part(id)}/settlement`, { slow: true });
  const totals = settlement.data?.totals;
  if (!totals) return "…";
  return `${kwh(totals.delivered_kwh)} ${t("of")} ${kwh(totals.requested_kwh)}${totals.compliance_percent === null ? "" : ` (${number(totals.compliance_percent, 0)} %)`}`;
}
