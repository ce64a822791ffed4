// What happened, live, and who changed what.
import { html, useMemo, useState } from "../lib.js";
import { part } from "../api.js";
import { Card, Empty, Field, Page, Pill, Table, Waiting, download } from "../parts.js";
import { canOperate, notes, site, useData } from "../store.js";
import { clockSeconds, dateClock, dayClock, kw, kwh, number } from "../time.js";
import { cause, mode, noteKinds, noteTitle, signalKind, t } from "../text.js";
import { label } from "../override.js";

const KIND = {
  excursion_opened: "bad", profile_refused: "bad", profile_unanswered: "warn", profile_not_sent: "warn",
  excursion_closed: "good", profile_applied: "good", override_set: "warn", mode_set: "warn",
};

export function Events() {
  const journal = useData(`/sites/${part(site.value)}/journal`, { fixed: true });
  const audit = useData(canOperate.value ? `/audit?site=${part(site.value)}` : null, { slow: true });
  const [kind, setKind] = useState("");
  const [evse, setEvse] = useState("");
  const all = useMemo(() => {
    const old = journal.data?.notes ?? [];
    const seen = old[0]?.number ?? 0;
    return [...notes.value.filter((n) => n.number > seen), ...old].slice(0, 1500);
  }, [journal.data, notes.value]);
  const shown = all.filter((n) => (!kind || n.kind === kind) && (!evse || n.evse?.includes(evse)));
  const file = () => download("events.csv", ["number", "at", "kind", "evse", "detail"], shown.map((n) => [n.number, n.at, n.kind, n.evse, JSON.stringify(n.detail)]));
  return html`<${Page} title=${t("Events")}>
    <${Card} title=${t("What happened")} aside=${html`<button type="button" class="small" onClick=${file}>CSV</button>`}>
      <div class="filters">
        <${Field} label=${t("Kind")}><select value=${kind} onChange=${(e) => setKind(e.target.value)}>
          <option value="">${t("all")}</option>
          ${noteKinds.map((k) => html`<option value=${k}>${noteTitle(k)}</option>`)}
        </select><//>
        <${Field} label=${t("EVSE")}><input value=${evse} onInput=${(e) => setEvse(e.target.value)} /><//>
      </div>
      ${!journal.data ? html`<${Waiting} of=${journal} />` : shown.length === 0 ? html`<${Empty}>${t("Nothing of this kind.")}<//>` : html`<${List} rows=${shown.slice(0, 200)} />`}
    <//>
    ${canOperate.value && html`<${Card} title=${t("Who changed what")}>
      ${!audit.data ? html`<${Waiting} of=${audit} />` : audit.data.entries.length === 0 ? html`<${Empty}>${t("Nobody changed anything.")}<//>` : html`<${Audit} rows=${audit.data.entries} />`}
    <//>`}
  <//>`;
}

function List({ rows }) {
  return html`<${Table} caption=${t("What happened")} rows=${rows} keyOf=${(n) => n.number} columns=${[
    { head: t("Time"), cell: (n) => html`<time datetime=${n.at}>${clockSeconds(n.at)}</time>` },
    { head: t("What"), header: true, cell: (n) => html`<${Pill} kind=${KIND[n.kind] ?? "idle"}>${noteTitle(n.kind)}<//>` },
    { head: t("EVSE"), cell: (n) => n.evse ?? "–" },
    { head: t("Detail"), cell: (n) => detail(n) },
  ]} />`;
}

function detail({ kind, detail: d }) {
  switch (kind) {
    case "session_active":
    case "session_ended":
    case "session_pending":
      return kwh(d.energy_kwh);
    case "plan_stored":
      return t("plan {id}, {count} vehicles, {cost}", { id: d.plan_id, count: d.vehicles, cost: number(d.cost, 2) });
    case "profile_sent":
      return t("{count} periods of plan {id}", { count: d.periods, id: d.plan_id ?? "–" });
    case "profile_applied":
      return t(d.evidence.replaceAll("_", " "));
    case "profile_refused":
    case "profile_not_sent":
    case "profile_unanswered":
      return d.detail;
    case "signal_set":
      return `${d.key}: ${signalKind(d.signal_kind)}`;
    case "mode_set":
      return [mode(d.mode), ...d.evses].join(" ");
    case "override_set":
      return `${label(d.action)}, ${dayClock(d.until)}`;
    case "excursion_opened":
      return `${kw(d.worst_kw)}: ${cause(d.cause)}`;
    case "excursion_closed":
      return `${d.duration_s} s`;
    case "partner_seen":
      return `${d.partner}: ${t(d.health)}`;
    default:
      return d.key ?? "";
  }
}

function Audit({ rows }) {
  return html`<${Table} caption=${t("Who changed what")} rows=${rows.slice(0, 200)} keyOf=${(e) => e.number} columns=${[
    { head: t("Time"), cell: (e) => dateClock(e.at) },
    { head: t("Who"), header: true, cell: (e) => e.actor },
    { head: t("What"), cell: (e) => html`<code>${e.method} ${e.path.replace("/api/v1", "")}</code>` },
    { head: t("Detail"), cell: (e) => e.remark ?? "" },
  ]} />`;
}
