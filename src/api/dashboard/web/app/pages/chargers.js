// What each charger was asked, said, holds and draws; and the way in for new ones.
import { html, useMemo, useState } from "../lib.js";
import { part } from "../api.js";
import { Approve } from "../approve.js";
import { Station } from "../station.js";
import { Card, Copy, Empty, Field, Page, Pill, Table, Tile, Waiting } from "../parts.js";
import { holdsNow, kwOf } from "../profile.js";
import { canOperate, isAdmin, now, site, useData } from "../store.js";
import { age, clockSeconds, dayClock, kw, number } from "../time.js";
import { t } from "../text.js";

export function Chargers() {
  const path = `/sites/${part(site.value)}`;
  const info = useData(site.value ? path : null, { slow: true });
  const stations = useData("/stations", { every: 3000 });
  const plan = useData(site.value ? `${path}/plan?compact=true` : null);
  const bound = useData(site.value ? `${path}/bound` : null);
  const sessions = useData(site.value ? `${path}/sessions` : null);
  const [shown, setShown] = useState(null);
  const [wanted, setWanted] = useState("");
  const rows = useMemo(
    () => (info.data ? rowsOf(info.data, stations.data?.stations ?? [], plan.data, bound.data, sessions.data) : []),
    [info.data, stations.data, plan.data, bound.data, sessions.data],
  );
  const word = wanted.trim().toLowerCase();
  const found = word ? rows.filter((r) => `${r.evse.id} ${r.way}`.toLowerCase().includes(word)) : rows;
  return html`<${Page} title=${t("Chargers")}>
    ${info.data && html`<${Sums} info=${info.data} rows=${rows} />`}
    <${Newcomers} known=${stations} info=${info} onDone=${() => { info.reload(); stations.reload(); }} />
    ${site.value && html`<${Card} title=${t("Asked, accepted, read back, measured")} aside=${rows.length > 12 && html`<label class="search"><span class="unseen">${t("Find")}</span><input type="search" placeholder=${t("Find")} value=${wanted} onInput=${(e) => setWanted(e.target.value)} /></label>`}>
      ${!info.data ? html`<${Waiting} of=${info} />`
        : rows.length === 0 ? html`<${Empty}>${t("The site has no EVSEs yet. Connect a charger above, or take EVSEs over from a partner.")} <a href="#/partners">${t("Partners")}</a><//>`
        : html`<${Evses} rows=${found} onShow=${setShown} />`}
    <//>`}
    <${Others} stations=${stations.data?.stations ?? []} rows=${rows} onShow=${setShown} onDone=${() => info.reload()} />
    ${shown && html`<${Station} id=${shown} evses=${rows.filter((r) => r.station?.id === shown).map((r) => r.evse)} onClose=${() => setShown(null)} />`}
  <//>`;
}

// One row per EVSE of the site, whichever way it is reached.
function rowsOf(info, stations, plan, bound, sessions) {
  const byId = new Map(stations.map((s) => [s.id, s]));
  const planned = new Map((plan?.evses ?? []).map((e) => [e.evse, e]));
  const may = new Map((bound?.circuits?.[0]?.evses ?? []).map((e) => [e.evse, e]));
  const session = new Map((sessions?.sessions ?? []).map((s) => [s.evse, s]));
  const fallback = new Map(info.status.fallbacks.map((f) => [f.evse, f]));
  const at = now.peek().getTime();
  return info.evses.map((evse) => {
    const ocpp = evse.source.ocpp;
    const ocpi = evse.source.ocpi;
    const station = ocpp ? (byId.get(ocpp.station) ?? null) : null;
    const own = station?.evses.find((e) => e.evse === ocpp.evse) ?? null;
    const p = planned.get(evse.id);
    const car = session.get(evse.id) ?? null;
    const free = fallback.get(evse.id);
    return {
      evse, own, station, car,
      way: ocpp ? `${ocpp.station} / ${ocpp.evse}` : `${ocpi.partner} / ${ocpi.location_id} / ${ocpi.evse_uid}`,
      stationId: ocpp?.station ?? null,
      partner: ocpi?.partner ?? null,
      asked: own?.asked ? kwOf(evse, own.asked.profile, holdsNow(own.asked.profile, at)) : (p?.sent_now_kw ?? null),
      accepted: own?.answered ? own.answered.accepted : p && p.sent_now_kw !== null && p.confirmed_now_kw !== null ? p.sent_now_kw === p.confirmed_now_kw : null,
      holds: own?.composite ? kwOf(evse, own.composite.profile, holdsNow(own.composite.profile, at)) : (p?.confirmed_now_kw ?? null),
      measured: own?.measured_kw ?? p?.measured_kw ?? car?.power_kw ?? null,
      may: may.get(evse.id)?.may_draw_kw ?? null,
      counts: may.get(evse.id)?.counts_as ?? null,
      fallback: free?.fallback_kw ?? evse.fallback_kw,
      pauses: free?.pauses ?? false,
    };
  });
}

function stateOf(row) {
  const control = row.car?.control?.type;
  if (control === "disobedient") return { kind: "bad", text: t("ignores its limit") };
  if (control === "unsupported") return { kind: "warn", text: t("cannot be controlled") };
  if (row.stationId && !row.station) return { kind: "bad", text: t("not approved") };
  if (row.station && row.station.state !== "connected") return { kind: "bad", text: t("offline") };
  if (row.car) return row.measured > 0.05 ? { kind: "good", text: t("charging") } : { kind: "idle", text: t("connected") };
  return { kind: "idle", text: row.own?.status ? row.own.status : t("free") };
}

// Why what was asked, holds and is drawn differ, in the reader's words; the station's own first.
function why(row) {
  if (row.own?.differs) return html`<span lang="en">${row.own.differs}</span>`;
  if (row.own?.external_limit) return t("a limit of someone else holds: {source}", { source: row.own.external_limit.source });
  if (row.accepted === false) return t("not accepted");
  if (row.station && row.station.state !== "connected") return t("its last profile holds, then its fallback");
  if (row.asked !== null && row.holds !== null && row.holds < row.asked - 0.1) return t("a raise is on its way");
  if (row.asked !== null && row.holds !== null && row.holds > row.asked + 0.1) return t("a lowering is on its way: the higher one counts");
  if (row.car && row.measured !== null && row.holds !== null) {
    // Limits hold at the highest voltage: at the usual one a tenth less is all of it.
    if (row.measured > row.holds + 0.3) return t("the reading is older than the limit, or it is not followed yet");
    if (row.measured < row.holds / 1.1 - 0.3) return t("the car takes less than it may");
  }
  return "";
}

function Evses({ rows, onShow }) {
  const columns = [
    { head: t("EVSE"), header: true, cell: (r) => html`${r.evse.id}<small class="line">${
      r.stationId ? html`<button type="button" class="linklike" onClick=${() => onShow(r.stationId)}>${r.way}</button>` : html`<a class="wide" href="#/partners">${r.way}</a>`}</small>` },
    { head: t("State"), cell: (r) => { const s = stateOf(r); return html`<${Pill} kind=${s.kind}>${s.text}<//>`; } },
    { head: t("Asked"), number: true, cell: (r) => html`${kw(r.asked)}${r.own?.asked && html`<small class="line">${t(r.own.asked.scope)}</small>`}` },
    { head: t("Accepted"), cell: (r) => (r.accepted === null ? "–" : html`<${Pill} kind=${r.accepted ? "good" : "warn"}>${r.own?.answered?.status ?? (r.accepted ? t("yes") : t("not yet"))}<//>`), wide: true },
    { head: t("Reads back"), number: true, cell: (r) => kw(r.holds) },
    { head: t("Measured"), number: true, cell: (r) => kw(r.measured) },
    { head: t("May draw"), number: true, cell: (r) => html`${kw(r.may)}${r.counts && html`<small class="line">${t(r.counts.replaceAll("_", " "))}</small>`}`, wide: true },
    { head: t("Fallback"), number: true, cell: (r) => html`${kw(r.fallback)}${r.pauses && html`<small class="line">${t("below its minimum: it pauses")}</small>`}`, wide: true },
    { head: t("Why they differ"), cell: why, wide: true },
  ];
  return html`<${Table} caption=${t("Asked, accepted, read back, measured")} columns=${columns} rows=${rows} keyOf=${(r) => r.evse.id} />`;
}

// The fail-safe arithmetic: if we fall silent, this is what all chargers may draw together.
function Sums({ info, rows }) {
  const root = info.circuits.find((c) => !c.parent);
  const limit = root?.failsafe_limit_kw ?? root?.import_limit_kw ?? null;
  const sum = info.status.fallback_sum_kw;
  const own = rows.filter((r) => r.stationId);
  const connected = own.filter((r) => r.station?.state === "connected").length;
  const drawn = rows.reduce((total, r) => total + (r.measured ?? 0), 0);
  return html`<dl class="tiles">
    <${Tile} label=${t("Sum of fallbacks")} value=${kw(sum)} kind=${limit === null ? "warn" : sum <= limit + 1e-9 ? "good" : "bad"}
      note=${limit === null ? t("no limit known") : sum <= limit + 1e-9 ? t("within {limit}: silence is safe", { limit: kw(limit) }) : t("above {limit}", { limit: kw(limit) })} />
    <${Tile} label=${t("Drawn now")} value=${kw(drawn)} note=${t("{count} EVSEs", { count: rows.length })} />
    ${own.length > 0 && html`<${Tile} label=${t("Connected")} value=${`${connected} / ${own.length}`} kind=${connected < own.length ? "bad" : "good"} note=${t("over OCPP, to this service")} />`}
  </dl>`;
}

// Chargers that tried to connect and are not known: refused, listed, one click from being let in.
function Newcomers({ known, info, onDone }) {
  const waiting = useData("/stations?state=waiting", { every: 2000 });
  const [approving, setApproving] = useState(null);
  const list = waiting.data?.stations ?? [];
  const place = new URL("/ocpp/", location.href);
  place.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const address = place.href;
  return html`<${Card} title=${t("Waiting for approval")} aside=${html`<span class="count">${list.length}</span>`}>
    ${list.length > 0 && html`<${Table} caption=${t("Waiting for approval")} rows=${list} keyOf=${(w) => w.id} columns=${[
      { head: t("Identity"), header: true, cell: (w) => w.id },
      { head: t("From"), cell: (w) => w.from ?? "–", wide: true },
      { head: t("Speaks"), cell: (w) => w.protocols || t("names no protocol") },
      { head: t("Attempts"), number: true, cell: (w) => number(w.attempts, 0) },
      { head: t("Seen last"), cell: (w) => clockSeconds(w.last_seen_at) },
      { label: t("Actions"), cell: (w) => isAdmin.value && html`<button type="button" class="small main" onClick=${() => setApproving(w)} aria-label=${`${t("Approve")}: ${w.id}`}>${t("Approve")}</button>` },
    ]} />`}
    <details open=${list.length === 0 && known.data?.stations.length === 0}>
      <summary>${t("Connect a charger")}</summary>
      <ol class="rows">
        <li>${t("In the charger's settings enter this address, and its identity behind it or in its own field:")} <${Copy} text=${address} label=${t("Copy the address")} /></li>
        <li>${t("Choose OCPP 1.6-J, 2.0.1 or 2.1 and any password. It appears here within seconds: refused, and waiting for you.")}</li>
        <li>${t("Approve it here. You get the password to type into the charger; this page then shows it boot.")}</li>
      </ol>
      ${list.length === 0 && html`<p class="quiet" role="status">${t("No unknown charger has tried to connect. This page looks every two seconds.")}</p>`}
      ${!isAdmin.value && html`<p class="quiet">${t("An administrator approves chargers.")}</p>`}
    </details>
    ${approving && html`<${Approve} newcomer=${approving} info=${info.data} onClose=${() => { setApproving(null); waiting.reload(); onDone(); }} />`}
  <//>`;
}

// Approved chargers that no EVSE of the chosen site names.
function Others({ stations, rows, onShow, onDone }) {
  const [adding, setAdding] = useState(null);
  const used = new Set(rows.map((r) => r.stationId));
  const rest = stations.filter((s) => !used.has(s.id) && (!s.site || s.site === site.value));
  if (rest.length === 0) return null;
  return html`<${Card} title=${t("Approved, not part of this site yet")}>
    <${Table} caption=${t("Approved, not part of this site yet")} rows=${rest} keyOf=${(s) => s.id} columns=${[
      { head: t("Identity"), header: true, cell: (s) => html`<button type="button" class="linklike" onClick=${() => onShow(s.id)}>${s.id}</button>` },
      { head: t("State"), cell: (s) => html`<${Pill} kind=${s.state === "connected" ? "good" : "idle"}>${t(s.state)}<//>` },
      { head: t("Model"), cell: (s) => [s.vendor, s.model].filter(Boolean).join(" ") || "–" },
      { head: t("Heard of"), cell: (s) => (s.last_heard_at ? dayClock(s.last_heard_at) : "–"), wide: true },
      { label: t("Actions"), cell: (s) => isAdmin.value && site.value && html`<button type="button" class="small" onClick=${() => setAdding(s)}>${t("Add to this site")}</button>` },
    ]} />
    ${adding && html`<${Approve} station=${adding} onClose=${() => { setAdding(null); onDone(); }} />`}
  <//>`;
}
