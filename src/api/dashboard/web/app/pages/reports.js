// What charging cost against a named baseline, how high it went, who left served.
import { html, useState } from "../lib.js";
import { get, part } from "../api.js";
import { Chart } from "../chart.js";
import { Delivered } from "../dispatches.js";
import { Card, Empty, Page, Pill, Table, Tile, Waiting, download, say } from "../parts.js";
import { now, site, useData } from "../store.js";
import { age, dateClock, dayClock, instantOf, kw, kwh, localDay, money, number, span } from "../time.js";
import { cause, t } from "../text.js";

// From when: a name and how it is found from now.
const PERIODS = {
  day: { text: "the last 24 hours", from: (at) => new Date(at - 86400e3) },
  today: { text: "today", from: (at) => instantOf(...localDay(at), 0, 0) },
  week: { text: "the last 7 days", from: (at) => new Date(at - 7 * 86400e3) },
  month: { text: "this month", from: (at) => { const [y, m] = localDay(at); return instantOf(y, m, 1, 0, 0); } },
  all: { text: "all that is remembered", from: () => new Date(0) },
};

export function Reports() {
  const [period, setPeriod] = useState("day");
  // Anew every ten minutes of the site's time, so that the question stays the same meanwhile.
  const from = PERIODS[period].from(new Date(Math.floor(now.value / 600e3) * 600e3)).toISOString();
  const report = useData(`/reports/savings?baseline=unmanaged&site=${part(site.value)}&from=${part(from)}`, { slow: true });
  const history = useData(`/sites/${part(site.value)}/history?from=${part(from)}`, { slow: true });
  const r = report.data;
  const lead = r?.from && t("Measured from {from} to {to}.", { from: dateClock(r.from), to: dateClock(r.to) });
  const actions = html`<label class="inline"><span class="unseen">${t("Period")}</span><select value=${period} onChange=${(e) => setPeriod(e.target.value)}>
      ${Object.entries(PERIODS).map(([name, p]) => html`<option value=${name}>${t(p.text)}</option>`)}</select></label>
    ${history.data?.start.length > 0 && html`<button type="button" onClick=${() => powersFile(history.data)}>${t("Powers as CSV")}</button>
      <button type="button" onClick=${() => pricesFile(history.data)}>${t("Prices as CSV")}</button>`}
    ${r && html`<button type="button" onClick=${() => sessionsFile(from)}>${t("Sessions as CSV")}</button>
      <button type="button" onClick=${() => reportFile(r)}>${t("Report as CSV")}</button>`}`;
  return html`<${Page} title=${t("Reports")} lead=${lead} actions=${actions}>
    ${!r ? html`<${Waiting} of=${report} />` : html`<${Figures} report=${r} history=${history.data} /><${Delivered} from=${from} />`}
  <//>`;
}

function Figures({ report, history }) {
  const { actual, sessions, currency } = report;
  const baseline = report.baseline.figures;
  const rows = [
    { name: t("evenload, measured"), side: actual },
    { name: t("unmanaged, computed"), side: baseline },
    ...(report.hindsight ? [{ name: t("in hindsight, computed"), side: report.hindsight.figures }] : []),
  ];
  const columns = [
    { head: "", label: t("Method"), header: true, cell: (r) => r.name },
    { head: t("Energy"), number: true, cell: (r) => kwh(r.side.energy_kwh) },
    { head: t("Cost"), number: true, cell: (r) => `${money(r.side.cost)} ${currency}` },
    { head: t("Mean price"), number: true, cell: (r) => (r.side.mean_price_per_kwh === null ? "–" : `${number(r.side.mean_price_per_kwh * 100, 2)} ct/kWh`) },
    { head: t("Peak, 15 min"), number: true, cell: (r) => kw(r.side.peak_15min_kw) },
    { head: t("Minutes over the limit"), number: true, cell: (r) => number(r.side.minutes_over_limit, 0) },
  ];
  const known = sessions.left_with_known_need;
  const rate = known > 0 ? `${number((sessions.served / known) * 100, 0)} %` : "–";
  return html`<dl class="tiles">
      <${Tile} label=${t("Saved against unmanaged")} value=${report.saving === null ? "–" : `${money(report.saving)} ${currency}`}
        kind=${report.saving > 0.005 ? "good" : ""} note=${report.saving === null ? t("no price or no charging yet") : t("energy cost")} />
      <${Tile} label=${t("Peak, 15 min")} value=${kw(actual.peak_15min_kw)} note=${t("unmanaged {peak}", { peak: kw(baseline.peak_15min_kw) })} />
      <${Tile} label=${t("Left with what they wanted")} value=${rate} kind=${sessions.served < known ? "warn" : ""}
        note=${t("{served} of {known}; {count} have left", { served: sessions.served, known, count: sessions.left })} />
      <${Tile} label=${t("Self-caused violations")} value=${report.self_caused} kind=${report.self_caused > 0 ? "bad" : "good"} note=${t("must be 0")} />
    </dl>
    <${Card} title=${t("Against the baseline")}>
      <${Table} caption=${t("Against the baseline")} columns=${columns} rows=${rows} />
      <details><summary>${t("How is this computed?")}</summary><p lang="en">${report.method}</p></details>
    <//>
    ${history?.start.length > 1 && html`<${Card} title=${t("Power and price")}><${Powers} history=${history} /><//>`}
    <${Card} title=${t("Left without what they wanted")}>
      ${report.unserved.length === 0 ? html`<${Empty}>${t("Nobody.")}<//>` : html`<${Unserved} rows=${report.unserved} />`}
    <//>
    <${Card} title=${t("Excursions: what might be drawn was above the limit")}>
      ${report.excursions.length === 0 ? html`<${Empty}>${t("None.")}<//>` : html`<${Excursions} rows=${report.excursions} />`}
    <//>`;
}

function Powers({ history }) {
  const total = history.evses_kw.map((v, i) => v + history.uncontrolled_kw[i]);
  const series = [
    ...(history.price_per_kwh.some((p) => p !== null) ? [{ label: t("Price"), values: history.price_per_kwh, colour: "--price", scale: "price", fill: 10, step: true, width: 1 }] : []),
    { label: t("Measured kW"), values: total, colour: "--charge", fill: 28, width: 2 },
    { label: t("Limit kW"), values: history.limit_kw, colour: "--limit", step: true, width: 2 },
  ];
  const peak = Math.max(...total, 0);
  return html`<${Chart} times=${history.start.map((at) => Date.parse(at) / 1e3)} series=${series} height=${240} label=${t("Highest measured {peak}.", { peak: kw(peak) })} />`;
}

function Unserved({ rows }) {
  return html`<${Table} caption=${t("Left without what they wanted")} rows=${rows} columns=${[
    { head: t("EVSE"), header: true, cell: (r) => r.evse },
    { head: t("Came"), cell: (r) => dayClock(r.started_at) },
    { head: t("Left"), cell: (r) => dayClock(r.ended_at) },
    { head: t("Stay"), number: true, cell: (r) => span(new Date(r.ended_at) - new Date(r.started_at)) },
    { head: t("Got"), number: true, cell: (r) => kwh(r.energy_kwh) },
    { head: t("Wanted"), number: true, cell: (r) => kwh(r.wanted_kwh) },
  ]} />`;
}

function Excursions({ rows }) {
  return html`<${Table} caption=${t("Excursions")} rows=${[...rows].reverse().slice(0, 100)} columns=${[
    { head: t("Circuit"), header: true, cell: (r) => r.circuit },
    { head: t("From"), cell: (r) => dayClock(r.opened_at) },
    { head: t("Lasted"), number: true, cell: (r) => (r.closed_at ? age((new Date(r.closed_at) - new Date(r.opened_at)) / 1e3) : html`<${Pill} kind="bad">${t("open")}<//>`) },
    { head: t("At most"), number: true, cell: (r) => kw(r.worst_kw) },
    { head: t("Cause"), cell: (r) => cause(r.cause) },
    { head: t("EVSE"), cell: (r) => r.evse ?? "–", wide: true },
  ]} />`;
}

function powersFile(history) {
  const header = ["start", "evses_kw", "uncontrolled_kw", "planned_kw", "limit_kw", "price_per_kwh"];
  download("powers.csv", header, history.start.map((_, i) => header.map((name) => history[name][i])));
}

// As evenload backtest reads them.
async function sessionsFile(from) {
  try {
    const { sessions } = await get(`/reports/sessions?site=${part(site.value)}&from=${part(from)}`);
    const header = ["arrival", "departure", "energy_kwh", "requested_kwh", "estimated_departure", "evse", "fastest_kw"];
    download("sessions.csv", header, sessions.map((s) => [s.started_at, s.ended_at, s.energy_kwh, s.wanted_kwh, s.departure, s.evse, s.fastest_kw]));
  } catch (error) {
    say(error.message, "bad");
  }
}

// The prices of the span by quarter of an hour: the other file of evenload backtest.
function pricesFile(history) {
  const rows = history.start.map((at, i) => [at, history.price_per_kwh[i]]);
  download("prices.csv", ["start", "price_per_kwh"], rows.filter(([at, price]) => price !== null && Date.parse(at) % 900e3 === 0));
}

function reportFile(report) {
  const header = ["method", "energy_kwh", "cost", "currency", "mean_price_per_kwh", "peak_15min_kw", "minutes_over_limit"];
  const row = (name, s) => [name, s.energy_kwh, s.cost, report.currency, s.mean_price_per_kwh, s.peak_15min_kw, s.minutes_over_limit];
  const rows = [row("evenload", report.actual), row("unmanaged", report.baseline.figures)];
  if (report.hindsight) rows.push(row("hindsight", report.hindsight.figures));
  download("report.csv", header, rows);
}
