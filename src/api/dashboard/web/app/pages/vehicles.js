// Vehicles that are there, departures that are filed, and a place to paste a spreadsheet into.
import { html, useEffect, useMemo, useState } from "../lib.js";
import { call, part, put, remove } from "../api.js";
import { Effect, OverrideButtons } from "../override.js";
import { Card, Dialog, Empty, Field, Page, Pill, Problem, Table, Waiting, download, say } from "../parts.js";
import { canOperate, now, refresh, site, useData } from "../store.js";
import { dateClock, dayClock, instantOf, kw, kwh, localDay, localInput } from "../time.js";
import { source, t } from "../text.js";
import { standing } from "./today.js";

export function Vehicles() {
  const path = `/sites/${part(site.value)}`;
  const sessions = useData(`${path}/sessions`);
  const departures = useData(`${path}/departures`);
  return html`<${Page} title=${t("Vehicles and departures")}>
    <${Card} title=${t("Connected now")} aside=${html`<${SessionsFile} sessions=${sessions.data?.sessions} />`}>
      ${
        !sessions.data
          ? html`<${Waiting} of=${sessions} />`
          : sessions.data.sessions.length === 0
            ? html`<${Empty}>${t("No car is connected.")}<//>`
            : html`<${Connected} rows=${sessions.data.sessions} />`
      }
    <//>
    ${canOperate.value && html`<${Paste} reload=${departures.reload} />`}
    <${Card} title=${t("Departures filed")}>
      ${departures.data ? html`<${Filed} rows=${departures.data.departures} reload=${departures.reload} />` : html`<${Waiting} of=${departures} />`}
    <//>
  <//>`;
}

function SessionsFile({ sessions }) {
  if (!sessions?.length) return null;
  const header = ["evse", "session", "status", "started_at", "departure", "departure_source", "energy_kwh", "remaining_kwh", "ready_at", "unmet_kwh", "power_kw"];
  const write = () => download("vehicles.csv", header, sessions.map((s) => header.map((name) => s[name])));
  return html`<button type="button" class="small" onClick=${write}>CSV</button>`;
}

function Connected({ rows }) {
  const [editing, setEditing] = useState(null);
  const columns = [
    { head: t("EVSE"), header: true, cell: (r) => r.evse },
    { head: t("State"), cell: (r) => { const s = standing(r); return html`<${Pill} kind=${s.kind}>${s.text}<//>`; } },
    { head: t("Here since"), cell: (r) => dayClock(r.started_at), wide: true },
    {
      head: t("Leaves"),
      cell: (r) => html`${dayClock(r.departure)} <small>${source(r.departure_source)}</small>`,
    },
    { head: t("Has"), number: true, cell: (r) => kwh(r.energy_kwh), wide: true },
    { head: t("Needs"), number: true, cell: (r) => kwh(r.remaining_kwh) },
    { head: t("Now"), number: true, cell: (r) => kw(r.power_kw), wide: true },
    {
      label: t("Actions"),
      cell: (r) => html`<span class="buttons">
        ${canOperate.value && html`<button type="button" class="small" onClick=${() => setEditing(r)} aria-label=${`${t("Move departure")}: ${r.evse}`}>${t("Move")}</button>`}
        <${OverrideButtons} evse=${r.evse} active=${r.override} />
      </span>`,
    },
  ];
  return html`<${Table} caption=${t("Connected now")} columns=${columns} rows=${rows} keyOf=${(r) => r.evse} />
    ${editing && html`<${MoveDeparture} row=${editing} onClose=${() => setEditing(null)} />`}`;
}

// Another departure or another need: what it would change is shown before it counts.
function MoveDeparture({ row, onClose }) {
  const [time, setTime] = useState(localInput(row.departure));
  const [energy, setEnergy] = useState(String(Math.round((row.energy_kwh + row.remaining_kwh) * 10) / 10));
  const [told, setTold] = useState(null);
  const [error, setError] = useState(null);
  const path = `/sites/${part(site.value)}/departures/${part(row.evse)}`;
  const body = () => {
    const [date, clock] = time.split("T");
    return { departure: instantOf(...date.split("-").map(Number), ...clock.split(":").map(Number)).toISOString(), energy_kwh: Number(energy) };
  };
  useEffect(() => {
    if (!time || energy === "") return undefined;
    let gone = false;
    setTold(null);
    // Whoever types is not asked about every digit.
    const soon = setTimeout(() => {
      put(`${path}?dry_run=true`, body())
        .then((answer) => { if (!gone) { setTold(answer); setError(null); } })
        .catch((problem) => !gone && setError(problem));
    }, 350);
    return () => {
      gone = true;
      clearTimeout(soon);
    };
  }, [time, energy]);
  const save = async (event) => {
    event.preventDefault();
    try {
      const answer = await put(path, body());
      say(t("{evse} now leaves at {time}.", { evse: row.evse, time: dayClock(answer.departure) }));
      refresh.value += 1;
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Dialog} title=${t("New departure of {evse}", { evse: row.evse })} onClose=${onClose}>
    <form onSubmit=${save}>
      <div class="filters">
        <${Field} label=${t("Leaves")}><input type="datetime-local" required value=${time} onInput=${(e) => setTime(e.target.value)} /><//>
        <${Field} label=${t("Energy in all, kWh")} hint=${t("It has {energy} already.", { energy: kwh(row.energy_kwh) })}><input type="number" min="0" max="10000" step="0.1" required value=${energy} onInput=${(e) => setEnergy(e.target.value)} /><//>
      </div>
      <div aria-live="polite">${told ? html`${told.warnings.map((w) => html`<p class="quiet" lang="en">${w}</p>`)}<${Effect} effect=${told.effect} />` : !error && html`<${Waiting} of=${{}} />`}</div>
      <${Problem} error=${error} />
      <p class="actions"><button type="button" onClick=${onClose}>${t("Cancel")}</button>
        <button type="submit" class="main" disabled=${!told}>${t("Save")}</button></p>
    </form>
  <//>`;
}

function Filed({ rows, reload }) {
  if (rows.length === 0) return html`<${Empty}>${t("None. What drivers and sessions say counts.")}<//>`;
  const withdraw = async (row) => {
    try {
      await remove(`/sites/${part(site.value)}/departures/${part(row.key)}`);
      reload();
    } catch (error) {
      say(error.message, "bad");
    }
  };
  const columns = [
    { head: t("Filed under"), header: true, cell: (r) => html`<span class="key" title=${r.key}>${r.key.length > 24 ? `${r.key.slice(0, 12)}…` : r.key}</span>` },
    { head: t("Leaves"), cell: (r) => dateClock(r.departure) },
    { head: t("Energy"), number: true, cell: (r) => kwh(r.energy_kwh) },
    { label: t("Actions"), cell: (r) => canOperate.value && html`<button type="button" class="small" onClick=${() => withdraw(r)}>${t("Withdraw")}</button>` },
  ];
  return html`<p class="quiet">${t("Tokens, contracts and vehicles are kept as hashes only, so they are not shown.")}</p>
    <${Table} caption=${t("Departures filed")} columns=${columns} rows=${rows} keyOf=${(r) => r.key} />`;
}

const NAMES = {
  key: ["key", "evse", "vehicle", "vehicle id", "token", "id", "fahrzeug", "kennung", "ladepunkt"],
  departure: ["departure", "leaves", "time", "departure time", "abfahrt", "zeit", "uhrzeit"],
  energy_kwh: ["energy_kwh", "energy", "kwh", "energie", "bedarf"],
  soc_target_percent: ["soc_target_percent", "target soc", "soc", "ziel-soc", "soc ziel"],
  soc_percent: ["soc_percent", "soc now", "present soc", "soc jetzt"],
  capacity_kwh: ["capacity_kwh", "capacity", "battery", "kapazität", "batterie"],
};

// Rows of a spreadsheet (tabs) or CSV (commas, semicolons) as the API takes them.
export function readRows(text, at) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  if (lines.length === 0) return { rows: [], faults: [] };
  const separator = ["\t", ";", ","].find((s) => lines[0].includes(s)) ?? "\t";
  const cells = (line) => line.split(separator).map((c) => c.trim().replace(/^"(.*)"$/, "$1"));
  const first = cells(lines[0]).map((c) => c.toLowerCase());
  const nameOf = (head) => Object.keys(NAMES).find((name) => NAMES[name].includes(head));
  const named = first.some((head) => nameOf(head));
  const header = named ? first.map(nameOf) : ["key", "departure", "energy_kwh"];
  const faults = [];
  const rows = lines.slice(named ? 1 : 0).map((line, index) => {
    const row = {};
    cells(line).forEach((cell, column) => {
      const name = header[column];
      if (!name || cell === "") return;
      if (name === "key") row.key = cell;
      else if (name === "departure") {
        const instant = readTime(cell, at);
        if (instant) row.departure = instant.toISOString();
        else faults.push(t("Row {row}: {text} is not a time.", { row: index + 1, text: cell }));
      } else {
        const value = Number(cell.replace(/\s|kWh|%/gi, "").replace(",", "."));
        if (Number.isFinite(value)) row[name] = value;
        else faults.push(t("Row {row}: {text} is not a number.", { row: index + 1, text: cell }));
      }
    });
    if (!row.key) faults.push(t("Row {row} names no vehicle.", { row: index + 1 }));
    return row;
  });
  return { rows, faults };
}

// "06:30" is the next half past six; "22.11. 06:30", "2026-11-22 06:30" and RFC 3339 are taken too.
export function readTime(text, at) {
  const clock = /^(\d{1,2}):(\d{2})(?::\d{2})?$/.exec(text);
  if (clock) {
    const [year, month, day] = localDay(at);
    const today = instantOf(year, month, day, Number(clock[1]), Number(clock[2]));
    return today > at ? today : instantOf(year, month, day + 1, Number(clock[1]), Number(clock[2]));
  }
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{2})(?::\d{2})?$/.exec(text);
  if (iso) return instantOf(...iso.slice(1, 6).map(Number));
  const german = /^(\d{1,2})\.(\d{1,2})\.(\d{4})?,?\s+(\d{1,2}):(\d{2})(?::\d{2})?$/.exec(text);
  if (german) {
    const [, day, month, year, hour, minute] = german;
    return instantOf(Number(year ?? localDay(at)[0]), Number(month), Number(day), Number(hour), Number(minute));
  }
  const instant = new Date(text);
  return /\d{4}-.*T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) && !Number.isNaN(instant.getTime()) ? instant : null;
}

function Paste({ reload }) {
  const [text, setText] = useState("");
  const [error, setError] = useState(null);
  const read = useMemo(() => readRows(text, now.value), [text]);
  const send = async (keepOthers) => {
    try {
      const answer = await call("PUT", `/sites/${part(site.value)}/departures?keep_others=${keepOthers}`, read.rows);
      say(t("{accepted} departures taken, {removed} withdrawn.", answer));
      answer.warnings.forEach((w) => say(w, "warn"));
      setText("");
      setError(null);
      reload();
      refresh.value += 1;
    } catch (problem) {
      setError(problem);
    }
  };
  const open = async (event) => {
    const file = event.target.files[0];
    if (file) setText(await file.text());
    event.target.value = "";
  };
  const ready = read.rows.length > 0 && read.faults.length === 0;
  const columns = ["key", "departure", "energy_kwh", "soc_target_percent", "soc_percent", "capacity_kwh"]
    .filter((name) => read.rows.some((r) => r[name] !== undefined))
    .map((name) => ({ head: name, cell: (r) => (name === "departure" ? dateClock(r[name]) : (r[name] ?? "–")) }));
  return html`<${Card} title=${t("Paste departures from a spreadsheet")}>
    <p class="quiet">${t("Columns: vehicle or EVSE, departure, energy in kWh; or with a header line: key, departure, energy_kwh, soc_target_percent, soc_percent, capacity_kwh. A time alone is the next such time.")}</p>
    <${Field} label=${t("Rows")}>
      <textarea rows="4" spellcheck="false" value=${text} placeholder=${"E1\t06:30\t25\nE2\t07:15\t40"} onInput=${(e) => setText(e.target.value)}></textarea>
    <//>
    ${read.faults.length > 0 && html`<ul class="problem" role="alert">${read.faults.slice(0, 8).map((f) => html`<li>${f}</li>`)}</ul>`}
    ${ready && html`<${Table} caption=${t("What was understood")} columns=${columns} rows=${read.rows.slice(0, 50)} />`}
    <${Problem} error=${error} />
    <p class="actions">
      <label class="button small">${t("Open a CSV file")}<input type="file" accept=".csv,.tsv,.txt,text/csv" class="unseen" onChange=${open} /></label>
      <button type="button" disabled=${!ready} onClick=${() => send(false)}>${t("Replace the whole table")}</button>
      <button type="button" class="main" disabled=${!ready} onClick=${() => send(true)}>${t("Add {count} rows", { count: read.rows.length })}</button>
    </p>
  <//>`;
}
