// Limits, prices and forecasts from outside: how old, from whom, and which of them decides when.
import { html, useState } from "../lib.js";
import { call, part, put, remove } from "../api.js";
import { Dispatches, Flexibility } from "../dispatches.js";
import { Effect } from "../override.js";
import { Card, Dialog, Empty, Field, Page, Pill, Problem, Table, Waiting, say } from "../parts.js";
import { canOperate, now, refresh, site, useData } from "../store.js";
import { age, clock, dateClock, dayClock, kw, kwh, number, span } from "../time.js";
import { noteTitle, signalKind, t } from "../text.js";
import { limitOrigin } from "./today.js";

const STATES = { live: "good", scheduled: "idle", expired: "warn" };

export function Signals() {
  const path = `/sites/${part(site.value)}`;
  const signals = useData(`${path}/signals`);
  const frame = useData(`${path}/frame`);
  const [shown, setShown] = useState(null);
  const [limiting, setLimiting] = useState(false);
  const actions = canOperate.value && html`<button type="button" class="main" onClick=${() => setLimiting(true)}>${t("Limit the site for a while")}</button>`;
  return html`<${Page} title=${t("Signals")} lead=${t("Signals may lower the operator's limit, never raise it. Where several apply, the lowest limit wins.")} actions=${actions}>
    <${Card} title=${t("What came in")}>
      ${!signals.data ? html`<${Waiting} of=${signals} />`
        : signals.data.signals.length === 0 ? html`<${Empty}>${t("No signal: the operator's own limit and price hold.")}<//>`
        : html`<${List} rows=${signals.data.signals} onShow=${setShown} reload=${signals.reload} />`}
    <//>
    ${frame.data && html`<${Winners} frame=${frame.data} />`}
    <${Flexibility} />
    <${Dispatches} />
    <${History} />
    ${shown && html`<${Detail} name=${shown} onClose=${() => setShown(null)} />`}
    ${limiting && html`<${Limit} onClose=${() => { setLimiting(false); signals.reload(); }} />`}
  <//>`;
}

function List({ rows, onShow, reload }) {
  const withdraw = async (row) => {
    try {
      await remove(`/sites/${part(site.value)}/signals/${part(row.key)}`);
      reload();
      refresh.value += 1;
    } catch (error) {
      say(error.message, "bad");
    }
  };
  const columns = [
    { head: t("Signal"), header: true, cell: (s) => html`<button type="button" class="linklike" onClick=${() => onShow(s.key)}>${s.key}</button>` },
    { head: t("Kind"), cell: (s) => signalKind(s.kind) },
    { head: t("Now"), number: true, cell: (s) => (s.value_now === null || s.value_now === undefined ? "–" : `${number(s.value_now, 3)} ${s.unit ?? ""}`) },
    { head: t("State"), cell: (s) => html`<${Pill} kind=${s.source_state && s.source_state !== "fresh" ? "warn" : (STATES[s.state] ?? "idle")}>${t(s.state)}${s.source_state && s.source_state !== "fresh" ? `, ${t(s.source_state)}` : ""}<//>${!s.acted_on && html` <small>${t("shown only")}</small>`}` },
    { head: t("Age"), number: true, cell: (s) => age(s.age_s) },
    { head: t("Source"), cell: (s) => s.source, wide: true },
    { head: t("Reaches to"), cell: (s) => dayClock(s.until), wide: true },
    { label: t("Actions"), cell: (s) => canOperate.value && html`<button type="button" class="small" onClick=${() => withdraw(s)} aria-label=${`${t("Withdraw")}: ${s.key}`}>${t("Withdraw")}</button>` },
  ];
  return html`<${Table} caption=${t("What came in")} columns=${columns} rows=${rows} keyOf=${(s) => s.key} />`;
}

function priceOrigin(origin) {
  return { signal: () => t("signal {key}", { key: origin.key }), flat: () => t("the site's flat price"),
    day_before: () => t("the day before ({key})", { key: origin.key }), mean: () => t("the mean of what is known") }[origin.type]();
}

function Winners({ frame }) {
  const limits = frame.circuits.flatMap((c) => c.limit_kw.map((run) => ({ ...run, circuit: c.circuit })));
  const columns = [
    { head: t("From"), cell: (r) => dayClock(r.start) },
    { head: t("To"), cell: (r) => dayClock(r.end) },
  ];
  const limitColumns = [
    { head: t("Circuit"), header: true, cell: (r) => r.circuit },
    ...columns,
    { head: t("Limit"), number: true, cell: (r) => (r.value === null ? t("none") : kw(r.value)) },
    { head: t("Decided by"), cell: (r) => limitOrigin(r.origin) },
  ];
  const priceColumns = [
    ...columns,
    { head: t("Price"), number: true, cell: (r) => `${number(r.value * 100, 2)} ct/kWh` },
    { head: t("Decided by"), cell: (r) => priceOrigin(r.origin) },
  ];
  const circuits = frame.circuits.map((c) => ({ name: c.circuit, runs: c.limit_kw.map((r) => ({ ...r, text: r.value === null ? t("none") : kw(r.value, 0), by: limitOrigin(r.origin), kind: r.origin.type })) }));
  const prices = [{ name: t("Price"), runs: frame.price_per_kwh.map((r) => ({ ...r, text: `${number(r.value * 100, 1)} ct`, by: priceOrigin(r.origin), kind: r.origin.type })) }];
  return html`<${Card} title=${t("Who decides the limit")}>
      ${circuits.map((c) => html`<${Runs} key=${c.name} name=${c.name} runs=${c.runs} />`)}
      <details><summary>${t("As a table")}</summary><${Table} caption=${t("Who decides the limit")} columns=${limitColumns} rows=${limits} /></details>
    <//>
    <${Card} title=${t("Who decides the price")}>
      ${frame.price_per_kwh.length === 0 ? html`<${Empty}>${t("No price is known: the plan charges as soon as limits allow.")}<//>`
        : html`${prices.map((c) => html`<${Runs} key=${c.name} name=${c.name} runs=${c.runs} />`)}
          <details><summary>${t("As a table")}</summary><${Table} caption=${t("Who decides the price")} columns=${priceColumns} rows=${frame.price_per_kwh} /></details>`}
    <//>`;
}

// What holds when, one piece per value, in the colour of who decides.
function Runs({ name, runs }) {
  if (runs.length === 0) return null;
  const from = Date.parse(runs[0].start);
  const whole = Date.parse(runs[runs.length - 1].end) - from;
  const place = (at) => ((Date.parse(at) - from) / whole) * 100;
  return html`<div class="row runs"><span class="who">${name}</span>
    <ol class="pieces">${runs.map((r) => html`<li class=${`piece by-${r.kind}`} key=${r.start} style=${{ left: `${place(r.start)}%`, width: `calc(${place(r.end) - place(r.start)}% - 1px)` }}
      title=${`${dayClock(r.start)} – ${dayClock(r.end)}: ${r.text}, ${r.by}`}><b>${r.text}</b> <small>${clock(r.start)}, ${r.by}</small></li>`)}</ol></div>`;
}

// Every revision and withdrawal that is remembered, the newest first.
const CAME = ["signal_set", "signal_withdrawn"];
function History() {
  const journal = useData(`/sites/${part(site.value)}/journal`, { slow: true });
  const rows = (journal.data?.notes ?? []).filter((n) => CAME.includes(n.kind));
  return html`<${Card} title=${t("What came before")}>
    ${!journal.data ? html`<${Waiting} of=${journal} />` : rows.length === 0 ? html`<${Empty}>${t("None.")}<//>`
      : html`<${Table} caption=${t("What came before")} rows=${rows} most=${20} keyOf=${(n) => n.number} columns=${[
          { head: t("Time"), cell: (n) => dateClock(n.at) },
          { head: t("What"), cell: (n) => noteTitle(n.kind) },
          { head: t("Signal"), header: true, cell: (n) => n.detail.key },
          { head: t("Kind"), cell: (n) => (n.detail.signal_kind ? signalKind(n.detail.signal_kind) : "–") },
        ]} />`}
  <//>`;
}

function Detail({ name, onClose }) {
  const signal = useData(`/sites/${part(site.value)}/signals/${part(name)}`, { fixed: true });
  const s = signal.data;
  return html`<${Dialog} title=${name} onClose=${onClose}>
    ${!s ? html`<${Waiting} of=${signal} />` : html`
      <dl class="facts">
        <dt>${t("Kind")}</dt><dd>${signalKind(s.kind)}</dd>
        <dt>${t("Source")}</dt><dd>${s.source}</dd>
        <dt>${t("Revision")}</dt><dd>${s.revision}</dd>
        <dt>${t("Came in")}</dt><dd>${dateClock(s.received_at)} (${age(s.age_s)})</dd>
        <dt>${t("Valid until")}</dt><dd>${dateClock(s.valid_until)}</dd>
        ${s.life && html`<dt>${t("How far it is")}</dt><dd>${s.life.stages.map((stage, i) => html`${i > 0 && " → "}<span class=${stage.reached ? "reached" : "quiet"}>${stage.reached ? "✓ " : ""}${t(stage.stage)}</span>`)}
          ${s.life.within_limit !== null && html` <${Pill} kind=${s.life.within_limit ? "good" : "bad"}>${s.life.within_limit ? t("measured within it") : t("measured above it")}<//>`}</dd>`}
        ${s.warnings?.length > 0 && html`<dt>${t("Note")}</dt><dd lang="en">${s.warnings.join("; ")}</dd>`}
      </dl>
      <${Table} caption=${t("Slots")} rows=${s.slots.slice(0, 200)} columns=${[
        { head: t("From"), cell: (r) => dayClock(r.start) },
        { head: t("To"), cell: (r) => dayClock(r.end) },
        { head: s.unit ?? t("Value"), number: true, cell: (r) => number(r.value, 3) },
      ]} />`}
  <//>`;
}

// A limit for some hours: first what it would do, then do it.
function Limit({ onClose }) {
  const [power, setPower] = useState("");
  const [hours, setHours] = useState("2");
  const [effect, setEffect] = useState(null);
  const [error, setError] = useState(null);
  const body = () => {
    const start = now.value;
    const end = new Date(start.getTime() + Number(hours) * 3600e3);
    return { kind: "import_limit", unit: "kW", slots: [{ start: start.toISOString(), end: end.toISOString(), value: Number(power) },
      // Afterwards nothing more is asked: far above any connection.
      { start: end.toISOString(), end: new Date(end.getTime() + 3600e3).toISOString(), value: 100000 }] };
  };
  const path = `/sites/${part(site.value)}/signals/dashboard-limit`;
  const ask = async (event) => {
    event.preventDefault();
    setError(null);
    try {
      setEffect((await call("PUT", `${path}?dry_run=true`, body())).effect ?? {});
    } catch (problem) {
      setError(problem);
    }
  };
  const act = async () => {
    try {
      await put(path, body());
      refresh.value += 1;
      say(t("The limit holds."));
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Dialog} title=${t("Limit the site for a while")} onClose=${onClose}>
    <form onSubmit=${ask}>
      <${Field} label=${t("At most, in kW")}><input type="number" min="0" step="0.1" required value=${power} onInput=${(e) => { setPower(e.target.value); setEffect(null); }} /><//>
      <${Field} label=${t("For how many hours")}><input type="number" min="0.25" max="24" step="0.25" required value=${hours} onInput=${(e) => { setHours(e.target.value); setEffect(null); }} /><//>
      <${Problem} error=${error} />
      <p class="actions"><button type="submit">${t("What would it do?")}</button>
        <button type="button" class="main" disabled=${!effect} onClick=${act}>${t("Do it")}</button></p>
    </form>
    <div aria-live="polite">${effect && html`<${Effect} effect=${effect} />`}</div>
  <//>`;
}
