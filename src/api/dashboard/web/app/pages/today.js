// Will every vehicle leave on time, how much room is there, what needs somebody.
import { html, useMemo, useState } from "../lib.js";
import { part, post } from "../api.js";
import { Chart } from "../chart.js";
import { OverrideButtons } from "../override.js";
import { Card, Empty, Page, Pill, Table, Tile, Waiting, say } from "../parts.js";
import { canOperate, currency, live, now, refresh, site, useData } from "../store.js";
import { clock, dayClock, kw, kwh, money, number, span } from "../time.js";
import { alertTexts, alertTitle, source, t } from "../text.js";
import { at } from "../strip.js";

const TIGHT_MS = 10 * 60e3;
const WORTH_TELLING_KWH = 0.1;

// How a vehicle stands: a kind for the colour, words, and a rank for the order.
export function standing(session, at) {
  const departure = new Date(session.departure);
  const assumed = session.departure_source === "default" || session.departure_source === "learned";
  if (session.remaining_kwh < WORTH_TELLING_KWH) return { kind: "idle", text: t("charged"), rank: 1e12 };
  if (session.late) return { kind: "bad", text: t("overdue"), rank: -1e12 };
  if (session.unmet_kwh > WORTH_TELLING_KWH) {
    return { kind: "bad", text: t("short of {energy}", { energy: kwh(session.unmet_kwh) }), rank: -1e9 - session.unmet_kwh };
  }
  if (!session.ready_at) {
    return session.unmet_kwh === null
      ? { kind: "idle", text: t("being planned"), rank: 1e10 }
      : { kind: "warn", text: t("ready time open"), rank: 0 };
  }
  const margin = departure - new Date(session.ready_at);
  if (assumed) return { kind: "idle", text: t("departure assumed"), margin, rank: 1e9 + margin };
  if (margin < TIGHT_MS) return { kind: "warn", text: t("tight"), margin, rank: margin };
  return { kind: "good", text: t("on time"), margin, rank: margin };
}

export function Today() {
  const path = `/sites/${part(site.value)}`;
  const sessions = useData(`${path}/sessions`);
  const alerts = useData(`${path}/alerts`);
  // Every five minutes of the site's time: in the demo that is sooner than by ours.
  const history = useData(`${path}/history`, { slow: true, when: Math.floor(now.value / 300e3) });
  const plan = useData(`${path}/plan?compact=true`);
  const frame = useData(`${path}/frame`, { slow: true });
  const report = useData(`/reports/savings?site=${part(site.value)}`, { slow: true });
  const rows = useMemo(
    () =>
      (sessions.data?.sessions ?? [])
        .map((s) => ({ ...s, state: standing(s) }))
        .sort((a, b) => a.state.rank - b.state.rank),
    [sessions.data, t("on time")],
  );
  return html`<${Page} title=${t("Today")}>
    <${Tiles} rows=${rows} frame=${frame.data} report=${report.data} />
    <${Alerts} of=${alerts} />
    <${Card} title=${t("Load against the limit")} aside=${html`<${LimitBy} frame=${frame.data} />`}>
      <${Load} history=${history.data} plan=${plan.data} />
    <//>
    <${Card} title=${t("Vehicles, the closest to missing first")}>
      ${
        !sessions.data
          ? html`<${Waiting} of=${sessions} />`
          : rows.length === 0
            ? html`<${Empty}>${t("No car is connected.")}<//>`
            : html`<${Risk} rows=${rows} />`
      }
    <//>
  <//>`;
}

function Tiles({ rows, frame, report }) {
  const state = live.value;
  if (!state) return null;
  const known = rows.filter((r) => r.state.kind !== "idle");
  const good = known.filter((r) => r.state.kind === "good").length;
  const risky = known.some((r) => r.state.kind === "bad") ? "bad" : good < known.length ? "warn" : "good";
  const power = state.evses_kw + (state.uncontrolled_kw ?? 0);
  const share = state.limit_kw ? power / state.limit_kw : null;
  const next = rows
    .filter((r) => r.departure_source !== "default" && !r.late)
    .map((r) => r.departure)
    .sort()[0];
  const price = frame?.price_per_kwh?.[0]?.value;
  return html`<dl class="tiles">
    <${Tile} label=${t("On time")} value=${`${good} / ${known.length}`} kind=${risky}
      note=${t("{count} connected", { count: rows.length })} />
    <${Tile} label=${t("Load now")} value=${kw(power)}
      kind=${share > 1 ? "bad" : share > 0.95 ? "warn" : ""}
      note=${share === null ? t("no limit known") : t("{share} % of {limit}", { share: number(share * 100, 0), limit: kw(state.limit_kw, 0) })} />
    <${Tile} label=${t("Next departure")} value=${next ? clock(next) : "–"}
      note=${next ? t("in {span}", { span: span(new Date(next) - now.value) }) : t("none stated")} />
    <${Tile} label=${t("Price now")} value=${price === undefined ? "–" : number(price * 100, 1)}
      note=${price === undefined ? t("no price known") : `ct ${currency.value}/kWh`} />
    <${Tile} label=${t("Saved so far")} href="#/reports" value=${report?.saving == null ? "–" : `${money(report.saving)} ${report.currency}`}
      note=${report ? t("peak {peak}; unmanaged {other}", { peak: kw(report.actual.peak_15min_kw, 0), other: kw(report.baseline.figures.peak_15min_kw, 0) }) : ""} />
  </dl>`;
}

function LimitBy({ frame }) {
  const root = frame?.circuits?.[0];
  const first = root?.limit_kw?.[0];
  if (!first) return null;
  const next = root.limit_kw.find((r) => r.value !== first.value);
  return html`<p class="aside">
    ${t("Limit set by")} <strong>${limitOrigin(first.origin)}</strong>${
      next && html`; ${t("{limit} from {time} by", { limit: kw(next.value, 0), time: clock(next.start) })} ${limitOrigin(next.origin)}`
    }${root.reserve_kw > 0 && html` · ${t("{power} held back for arrivals", { power: kw(root.reserve_kw) })}`}
  </p>`;
}

export function limitOrigin(origin) {
  if (origin.type === "signal") return t("signal {key}", { key: origin.key });
  return origin.type === "failsafe" ? t("the fail-safe") : t("the operator");
}

// 24 h behind as measured, the horizon ahead as planned.
function Load({ history, plan }) {
  const series = useMemo(() => {
    if (!history || !plan) return null;
    const past = history.start.map((s) => Date.parse(s) / 1e3);
    const root = plan.circuits[0];
    const slots = plan.plan_id === null ? 0 : plan.slots;
    const start = Date.parse(plan.start) / 1e3;
    const ahead = Array.from({ length: slots }, (_, i) => start + i * plan.slot_s).filter(
      (x) => past.length === 0 || x > past[past.length - 1],
    );
    const slotOf = (x) => Math.round((x - start) / plan.slot_s);
    const of = (steps) => ahead.map((x) => at(steps, slotOf(x)));
    const none = (list) => list.map(() => null);
    const sum = (a, b) => a.map((v, i) => (v ?? 0) + (b[i] ?? 0));
    return {
      times: [...past, ...ahead],
      measured: [...sum(history.evses_kw, history.uncontrolled_kw), ...none(ahead)],
      planned: [...none(past), ...sum(root ? of(root.planned_kw) : [], root ? of(root.uncontrolled_kw) : [])],
      other: [...history.uncontrolled_kw, ...(root ? of(root.uncontrolled_kw) : [])],
      limit: [...history.limit_kw, ...(root ? of(root.limit_kw).map((v) => (v > 1e8 ? null : v)) : [])],
      price: [...history.price_per_kwh, ...(plan.price_per_kwh?.length ? of(plan.price_per_kwh) : none(ahead))],
    };
  }, [history, plan]);
  if (!series) return html`<p class="quiet">${t("Loading …")}</p>`;
  if (series.times.length < 2) return html`<${Empty}>${t("Nothing has been measured or planned yet.")}<//>`;
  const hasOther = series.other.some((v) => v > 0);
  const hasPrice = series.price.some((v) => v !== null);
  const lines = [
    ...(hasPrice ? [{ label: `${t("Price")} ${currency.value}/kWh`, values: series.price, colour: "--price", step: true, scale: "price", width: 1, fill: 8 }] : []),
    { label: t("Measured kW"), values: series.measured, colour: "--charge", fill: 30, width: 2 },
    { label: t("Planned kW"), values: series.planned, colour: "--plan", fill: 14, step: true, dash: [6, 4], width: 2 },
    ...(hasOther ? [{ label: t("Other load and reserve kW"), values: series.other, colour: "--muted", fill: 14, step: true }] : []),
    { label: t("Limit kW"), values: series.limit, colour: "--limit", step: true, width: 2 },
  ];
  const peak = Math.max(...series.measured.filter((v) => v !== null), 0);
  const ahead = Math.max(...series.planned.filter((v) => v !== null), 0);
  return html`<${Chart} times=${series.times} series=${lines} now=${now.value.getTime()}
    label=${t("Highest measured {peak}, highest planned {ahead}.", { peak: kw(peak), ahead: kw(ahead) })} />`;
}

const FIRST_ALERTS = 5;

function Alerts({ of }) {
  const [whole, setWhole] = useState(false);
  if (!of.data) return html`<${Waiting} of=${of} />`;
  const alerts = of.data.alerts;
  return html`<${Card} title=${t("What needs you")} aside=${html`<span class="count">${alerts.length}</span>`}>
    ${alerts.length === 0 && html`<${Empty}>${t("Nothing. Every part does its work.")}<//>`}
    <ul class="alerts">
      ${alerts.slice(0, whole ? 200 : FIRST_ALERTS).map(
        (a) => html`<li key=${`${a.kind} ${a.subject}`} class=${a.severity}>
          <${Pill} kind=${a.severity === "critical" ? "bad" : "warn"}>${alertTitle(a.kind)}<//>
          <${AlertText} alert=${a} />
          <${Remedy} alert=${a} />
        </li>`,
      )}
    </ul>
    ${!whole && alerts.length > FIRST_ALERTS && html`<button type="button" class="small" onClick=${() => setWhole(true)}>${t("Show all {count}", { count: alerts.length })}</button>`}
  <//>`;
}

function AlertText({ alert }) {
  const told = alertTexts(alert);
  return html`<div lang=${told.lang}>
    <p><strong>${alert.subject}</strong> ${localTimes(told.text)}</p>
    <p class="quiet">${told.action}</p>
  </div>`;
}

// Instants in a text of the service, in the site's time.
const localTimes = (text) => text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z/g, (at) => dayClock(at));

// The action that belongs to an alert: done here where that is possible, else where it is done.
const PLACES = {
  profile_refused: ["#/partners", "Exchanges"],
  profile_unanswered: ["#/partners", "Exchanges"],
  evse_unsupported: ["#/chargers", "Chargers"],
  evse_disobedient: ["#/chargers", "Chargers"],
  excursion_open: ["#/chargers", "Chargers"],
  limit_unknown: ["#/site", "Set the limit"],
  meter_stale: ["#/signals", "Signals"],
  vehicle_missing: ["#/vehicles", "Vehicles"],
  station_offline: ["#/chargers", "Chargers"],
  price_late: ["#/signals", "Signals"],
  source_stale: ["#/signals", "Signals"],
  source_failed: ["#/signals", "Signals"],
};

function Remedy({ alert }) {
  if (alert.kind === "partner_stale" && canOperate.value) return html`<${TestPartner} name=${alert.subject} />`;
  if (alert.kind === "vehicle_short") return html`<${OverrideButtons} evse=${alert.subject} />`;
  const place = PLACES[alert.kind];
  return place ? html`<a class="button small" href=${place[0]}>${t(place[1])}</a>` : null;
}

function TestPartner({ name }) {
  const test = async () => {
    try {
      const answer = await post(`/partners/${part(name)}/test`, {});
      say(answer.ok ? t("{name} answers.", { name }) : t("{name} has faults: see Partners.", { name }), answer.ok ? "good" : "bad");
      refresh.value += 1;
    } catch (error) {
      say(error.message, "bad");
    }
  };
  return html`<button type="button" class="small" onClick=${test}>${t("Test")}</button>`;
}

function Risk({ rows }) {
  const columns = [
    { head: t("EVSE"), header: true, cell: (r) => r.evse },
    { head: t("State"), cell: (r) => html`<${Pill} kind=${r.state.kind}>${r.state.text}<//>` },
    { head: t("Margin"), number: true, cell: (r) => (r.state.margin === undefined ? "–" : span(r.state.margin)) },
    { head: t("Leaves"), cell: (r) => html`${dayClock(r.departure)} <small class="wide">${source(r.departure_source)}</small>` },
    { head: t("Ready"), cell: (r) => clock(r.ready_at), wide: true },
    { head: t("Has"), number: true, cell: (r) => kwh(r.energy_kwh), wide: true },
    { head: t("Needs"), number: true, cell: (r) => kwh(r.remaining_kwh) },
    { head: t("Now"), number: true, cell: (r) => kw(r.power_kw) },
    { label: t("Override"), cell: (r) => html`<${OverrideButtons} evse=${r.evse} active=${r.override} />` },
  ];
  return html`<${Table} caption=${t("Vehicles by risk")} columns=${columns} rows=${rows} keyOf=${(r) => r.evse} rowClass=${(r) => `is-${r.state.kind}`} />`;
}
