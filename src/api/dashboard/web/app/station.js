// One charger that connects to us: what it is, what it was told, its messages, and calls by hand.
import { html, useState } from "./lib.js";
import { part, post, put, remove } from "./api.js";
import { Card, Copy, Dialog, Empty, Field, Pill, Problem, Table, Waiting, say } from "./parts.js";
import { stepsOf } from "./profile.js";
import { canOperate, isAdmin, useData } from "./store.js";
import { clockSeconds, dateClock, dayClock, kw, number } from "./time.js";
import { t } from "./text.js";

export function Station({ id, evses, onClose }) {
  const path = `/stations/${part(id)}`;
  const station = useData(path, { every: 3000 });
  const s = station.data;
  return html`<${Dialog} title=${id} onClose=${onClose} wide>
    ${!s ? html`<${Waiting} of=${station} />` : html`
      <dl class="facts">
        <dt>${t("State")}</dt><dd><${Pill} kind=${s.state === "connected" ? "good" : "bad"}>${t(s.state)}<//> ${s.connection && `${s.connection.protocol}, ${t("since {time}", { time: dayClock(s.connection.since) })}`}</dd>
        <dt>${t("Model")}</dt><dd>${[s.vendor, s.model, s.serial].filter(Boolean).join(" ") || "–"} ${s.firmware && html`<small>${t("firmware {version}", { version: s.firmware })}</small>`}</dd>
        <dt>${t("Heard of")}</dt><dd>${dateClock(s.last_heard_at)}, ${t("{count} connections", { count: s.connections })}${s.displaced > 0 && html` <${Pill} kind="warn">${t("displaced {count} times: do two chargers share this identity?", { count: s.displaced })}<//>`}</dd>
        <dt>${t("Encryption")}</dt><dd>${s.allow_insecure ? t("may come without: allowed for this charger") : t("required, but from this machine")}</dd>
        <dt>${t("Odd ways")}</dt><dd>${s.quirks.length ? s.quirks.map((q) => html`<code>${typeof q === "string" ? q : JSON.stringify(q)}</code> `) : t("none found")}</dd>
        ${s.refused_settings?.length > 0 && html`<dt>${t("Refused settings")}</dt><dd>${s.refused_settings.map((r) => html`<code>${typeof r === "string" ? r : JSON.stringify(r)}</code> `)}</dd>`}
      </dl>
      ${s.evses.map((e) => html`<${Connector} key=${e.evse} own=${e} evse=${evses.find((x) => x.source.ocpp?.evse === e.evse)} />`)}
      ${Object.keys(s.settings ?? {}).length > 0 && html`<details><summary>${t("Its settings")}</summary><dl class="facts">${Object.entries(s.settings).map(([name, value]) => html`<dt><code>${name}</code></dt><dd class="break">${String(value)}</dd>`)}</dl></details>`}
      ${canOperate.value && html`<${Messages} path=${path} /><${Commands} path=${path} protocol=${s.connection?.protocol} />`}
      ${isAdmin.value && html`<${Keys} path=${path} station=${s} onClose=${onClose} />`}`}
  <//>`;
}

function Connector({ own, evse }) {
  const unit = own.asked?.profile.unit;
  const limit = (e) => `${number(e.value, 1)} ${unit}`;
  const steps = own.asked ? stepsOf(own.asked.profile) : [];
  return html`<section class="connector"><h3>${evse ? evse.id : own.evse === 0 ? t("The charger as a whole") : t("EVSE {number}", { number: own.evse })}</h3>
    <dl class="facts">
      <dt>${t("Says")}</dt><dd>${own.status ?? "–"}${own.transaction && `, ${t("transaction {id}", { id: own.transaction })}`}</dd>
      <dt>${t("Answer")}</dt><dd>${own.answered ? html`<${Pill} kind=${own.answered.accepted ? "good" : "bad"}>${own.answered.status}<//> ${clockSeconds(own.answered.at)}` : "–"}</dd>
      <dt>${t("Reads back")}</dt><dd>${own.composite ? `${own.composite.profile.periods.map((p) => number(p.limit / 10, 1)).join(" → ")} ${own.composite.profile.unit}, ${clockSeconds(own.composite.at)}` : "–"}</dd>
      <dt>${t("Measured")}</dt><dd>${kw(own.measured_kw)} ${own.measured_at && html`<small>${clockSeconds(own.measured_at)}</small>`}</dd>
      ${own.differs && html`<dt>${t("Why they differ")}</dt><dd lang="en">${own.differs}</dd>`}
      ${own.external_limit && html`<dt>${t("Limit of someone else")}</dt><dd>${own.external_limit.source}: ${String(own.external_limit.lowest ?? "")}</dd>`}
    </dl>
    ${own.asked && html`<details><summary>${t("Asked: {scope} profile, {count} periods", { scope: t(own.asked.scope), count: steps.length })}</summary>
      <${Table} caption=${t("Asked")} rows=${steps} columns=${[
        { head: t("From"), header: true, cell: (e) => dayClock(e.at) },
        { head: t("At most"), number: true, cell: limit },
      ]} /></details>`}
  </section>`;
}

function Messages({ path }) {
  const [open, setOpen] = useState(false);
  const messages = useData(open ? `${path}/messages` : null, { every: 3000 });
  return html`<details onToggle=${(e) => setOpen(e.target.open)}><summary>${t("Last messages, passwords masked")}</summary>
    ${open && (!messages.data ? html`<${Waiting} of=${messages} />` : messages.data.messages.length === 0 ? html`<${Empty}>${t("None.")}<//>`
      : html`<${Table} caption=${t("Last messages, passwords masked")} rows=${messages.data.messages} columns=${[
          { head: t("Time"), cell: (m) => clockSeconds(m.at) },
          { head: t("Direction"), cell: (m) => (m.direction === "sent" ? `→ ${t("sent")}` : `← ${t("received")}`) },
          { head: t("Message"), header: true, cell: (m) => html`<code class="break">${m.message}</code>` },
        ]} />`)}
  </details>`;
}

// Calls of the standard that people need most, with a payload to start from.
const CALLS = {
  "ocpp1.6": {
    Reset: { type: "Soft" }, TriggerMessage: { requestedMessage: "MeterValues" }, UnlockConnector: { connectorId: 1 },
    GetConfiguration: {}, GetCompositeSchedule: { connectorId: 1, duration: 3600 }, ChangeAvailability: { connectorId: 1, type: "Operative" },
    RemoteStartTransaction: { connectorId: 1, idTag: "TAG" }, RemoteStopTransaction: { transactionId: 1 }, ClearCache: {},
  },
  "ocpp2.0.1": {
    Reset: { type: "OnIdle" }, TriggerMessage: { requestedMessage: "MeterValues" }, UnlockConnector: { evseId: 1, connectorId: 1 },
    GetBaseReport: { requestId: 1, reportBase: "SummaryInventory" }, GetCompositeSchedule: { evseId: 1, duration: 3600 },
    ChangeAvailability: { operationalStatus: "Operative" }, RequestStartTransaction: { idToken: { idToken: "TAG", type: "ISO14443" }, remoteStartId: 1, evseId: 1 },
    RequestStopTransaction: { transactionId: "ID" }, ClearCache: {},
  },
};

function Commands({ path, protocol }) {
  const known = CALLS[protocol === "ocpp1.6" ? "ocpp1.6" : "ocpp2.0.1"];
  const [action, setAction] = useState("TriggerMessage");
  const [payload, setPayload] = useState(JSON.stringify(known.TriggerMessage));
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const choose = (name) => {
    setAction(name);
    if (known[name]) setPayload(JSON.stringify(known[name]));
  };
  const send = async (event) => {
    event.preventDefault();
    setAnswer(null);
    setError(null);
    try {
      setAnswer(await post(`${path}/commands/${part(action)}`, JSON.parse(payload)));
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<details><summary>${t("Send a command")}</summary>
    <form onSubmit=${send}>
      <div class="filters">
        <${Field} label=${t("Call")}><input list="ocpp-calls" required pattern="[A-Za-z0-9]+" value=${action} onInput=${(e) => choose(e.target.value)} /><//>
        <datalist id="ocpp-calls">${Object.keys(known).map((name) => html`<option value=${name} />`)}</datalist>
      </div>
      <${Field} label=${t("Payload, as OCPP spells it")}><textarea rows="3" spellcheck="false" value=${payload} onInput=${(e) => setPayload(e.target.value)}></textarea><//>
      <p class="quiet">${t("A charging profile set by hand is replaced at once by the site's own.")}</p>
      <${Problem} error=${error} />
      ${answer && html`<p role="status"><${Pill} kind=${answer.status === "result" ? "good" : "bad"}>${answer.status}<//></p><pre tabindex="0">${JSON.stringify(answer.payload, null, 2)}</pre>`}
      <button type="submit" class="main" disabled=${!protocol}>${t("Send")}</button>
    </form>
  </details>`;
}

// A new password, or out.
function Keys({ path, station, onClose }) {
  const [made, setMade] = useState(null);
  const [error, setError] = useState(null);
  const [sure, setSure] = useState(false);
  const renew = async () => {
    try {
      const body = { allow_insecure: station.allow_insecure, password: newPassword() };
      if (station.site) body.site = station.site;
      if (station.assume_protocol) body.assume_protocol = station.assume_protocol;
      await put(path, body);
      setMade(body.password);
    } catch (problem) {
      setError(problem);
    }
  };
  const forget = async () => {
    try {
      await remove(path);
      say(t("{id} is removed.", { id: station.id }));
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<details><summary>${t("Password and removal")}</summary>
    ${made && html`<p class="made" role="status">${t("Type it into the charger; it is shown this once:")} <${Copy} text=${made} label=${t("Copy the password")} /></p>`}
    <${Problem} error=${error} />
    <p class="actions">
      <button type="button" onClick=${renew}>${t("Give it a new password")}</button>
      ${sure ? html`<button type="button" class="danger" onClick=${forget}>${t("Yes, remove {id}", { id: station.id })}</button>`
        : html`<button type="button" class="danger" onClick=${() => setSure(true)}>${t("Remove")}</button>`}
    </p>
  </details>`;
}

// 20 characters that are easily read and typed: 100 bits.
export function newPassword() {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789X";
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bytes, (b) => letters[b % letters.length]).join("");
}
