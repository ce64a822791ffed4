// The platforms we speak OCPI with: registered how, healthy or not, what was said last.
import { html, useState } from "../lib.js";
import { part, post, remove } from "../api.js";
import { Card, Checks, Dialog, Empty, Field, Page, Pill, Problem, Table, Waiting, say } from "../parts.js";
import { canOperate, isAdmin, loadSites, site, useData } from "../store.js";
import { clockSeconds, dateClock, number } from "../time.js";
import { t } from "../text.js";

export function Partners() {
  const partners = useData("/partners", { slow: true });
  const [adding, setAdding] = useState(null);
  const actions = isAdmin.value && html`
    <button type="button" onClick=${() => setAdding("invite")}>${t("Invite")}</button>
    <button type="button" class="main" onClick=${() => setAdding("register")}>${t("Register")}</button>`;
  return html`<${Page} title=${t("Partners")} lead=${t("Charging networks that let evenload steer their sessions over OCPI.")} actions=${actions}>
    ${!partners.data && html`<${Waiting} of=${partners} />`}
    ${partners.data?.partners.length === 0 && html`<${Empty}>${t("None yet. Register at a network with its versions URL and token, or invite it to register here.")}<//>`}
    ${partners.data?.partners.map((p) => html`<${Partner} key=${p.name} partner=${p} reload=${partners.reload} />`)}
    ${adding === "register" && html`<${Register} onClose=${() => { setAdding(null); partners.reload(); }} />`}
    ${adding === "invite" && html`<${Invite} onClose=${() => { setAdding(null); partners.reload(); }} />`}
  <//>`;
}

function Partner({ partner, reload }) {
  const [busy, setBusy] = useState(null);
  const [error, setError] = useState(null);
  const [checks, setChecks] = useState(null);
  const act = async (name, work) => {
    setBusy(name);
    setError(null);
    try {
      setChecks((await work())?.checks ?? null);
      reload();
    } catch (problem) {
      setError(problem);
    }
    setBusy(null);
  };
  const path = `/partners/${part(partner.name)}`;
  const healthy = partner.health === "current" && partner.status === "registered";
  const aside = html`<${Pill} kind=${healthy ? "good" : "warn"}>${t(partner.status)}, ${t(partner.health)}<//>`;
  const forget = () => {
    if (confirm(t("End the relation with {name}? Its sessions are no longer steered.", { name: partner.name }))) {
      act("remove", () => remove(path));
    }
  };
  return html`<${Card} title=${partner.name} aside=${aside}>
    <dl class="facts">
      <dt>${t("Versions URL")}</dt><dd class="break">${partner.versions_url ?? "–"}</dd>
      <dt>OCPI</dt><dd>${partner.version ?? "–"}</dd>
      <dt>${t("Parties")}</dt><dd>${partner.parties.join(", ") || "–"}</dd>
      <dt>${t("Modules")}</dt><dd class="break">${partner.modules.length ? partner.modules.map((m) => html`<span class="line">${m}</span>`) : "–"}</dd>
      <dt>${t("Registered")}</dt><dd>${dateClock(partner.registered_at)}</dd>
      <dt>${t("Heard of")}</dt><dd>${dateClock(partner.last_seen_at)}</dd>
      ${partner.trust_sync_accept && html`<dt>${t("Trust")}</dt><dd>${t("An immediate ACCEPTED counts as applied: outside of what is guaranteed.")}</dd>`}
    </dl>
    <p class="actions">
      ${canOperate.value && html`<button type="button" disabled=${busy} onClick=${() => act("test", () => post(`${path}/test`, {}))}>${busy === "test" ? t("Testing …") : t("Test")}</button>`}
      ${isAdmin.value && html`<button type="button" disabled=${busy} onClick=${() => act("rotate", () => post(`${path}/rotate`, {}))}>${t("Rotate tokens")}</button>
        <button type="button" class="danger" disabled=${busy} onClick=${forget}>${t("Remove")}</button>`}
    </p>
    <${Problem} error=${error} />
    ${(checks ?? partner.checks).length > 0 && html`<details open=${Boolean(checks)}><summary>${t("Check list")}</summary><${Checks} rows=${checks ?? partner.checks} /></details>`}
    ${partner.deviations?.length > 0 && html`<${Deviations} rows=${partner.deviations} />`}
    ${isAdmin.value && html`<${Import} name=${partner.name} />`}
    ${canOperate.value && html`<${Exchanges} name=${partner.name} />`}
  <//>`;
}

// Where the partner leaves the standard: tolerated, counted, with advice for its engineers.
function Deviations({ rows }) {
  const columns = [
    { head: t("What"), header: true, cell: (d) => html`<code>${d.id}</code>` },
    { head: t("Count"), number: true, cell: (d) => number(d.count, 0) },
    { head: t("Where"), cell: (d) => html`<code class="break">${d.path}</code> <small>${d.section}</small>` },
    { head: t("Detail"), cell: (d) => html`<span lang="en">${d.detail}${d.advice && html` <small class="line">${d.advice}</small>`}</span>` },
    { head: t("Seen last"), cell: (d) => dateClock(d.last_seen_at), wide: true },
  ];
  return html`<details><summary>${t("Deviations from the standard")} (${rows.length})</summary>
    <${Table} caption=${t("Deviations from the standard")} columns=${columns} rows=${rows} keyOf=${(d) => d.id} /></details>`;
}

// A site from the partner's locations: first what would be taken over, then do it.
function Import({ name }) {
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const send = async (event, dryRun) => {
    event.preventDefault();
    const form = new FormData(event.target.form ?? event.target);
    const body = { partner: name, dry_run: dryRun };
    if (form.get("limit")) body.import_limit_kw = Number(form.get("limit"));
    setError(null);
    try {
      const given = await post(`/sites/${part(form.get("site"))}/import`, body);
      setAnswer({ ...given, dryRun });
      if (!dryRun) await loadSites();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<details><summary>${t("Take over EVSEs from its locations")}</summary>
    <form class="filters" onSubmit=${(e) => send(e, false)}>
      <${Field} label=${t("Site")}><input name="site" required pattern="[^\\s\\/]+" defaultValue=${site.value} /><//>
      <${Field} label=${t("Limit of the grid connection, kW")}><input name="limit" type="number" min="0" step="0.1" /><//>
      <p class="actions"><button type="button" onClick=${(e) => send(e, true)}>${t("Show what would be done")}</button>
      <button type="submit" class="main">${t("Take over")}</button></p>
    </form>
    <${Problem} error=${error} />
    ${answer && html`<p role="status">${answer.dryRun ? t("Would be added: {count}.", { count: answer.added.length }) : t("Added: {count}.", { count: answer.added.length })} ${t("Left out: {count}.", { count: answer.skipped.length })}</p>
      <pre tabindex="0">${JSON.stringify({ added: answer.added, skipped: answer.skipped }, null, 2)}</pre>`}
  </details>`;
}

function Exchanges({ name }) {
  const [open, setOpen] = useState(false);
  const [shown, setShown] = useState(null);
  const exchanges = useData(open ? `/partners/${part(name)}/exchanges` : null);
  const failed = (e) => e.status === null || e.status >= 400 || (e.ocpi_status !== null && e.ocpi_status >= 2000);
  const columns = [
    { head: t("Time"), cell: (e) => clockSeconds(e.at) },
    { head: t("Direction"), cell: (e) => (e.direction === "sent" ? `→ ${t("sent")}` : `← ${t("received")}`) },
    { head: t("Call"), header: true, cell: (e) => html`<span class="break">${e.method} ${e.path}</span>` },
    { head: "HTTP", number: true, cell: (e) => html`<${Pill} kind=${failed(e) ? "bad" : "good"}>${e.status ?? t("none")}<//>` },
    { head: "OCPI", number: true, cell: (e) => e.ocpi_status ?? "–", wide: true },
    { head: "ms", number: true, cell: (e) => number(e.duration_ms, 0), wide: true },
    { label: t("Actions"), cell: (e) => html`<button type="button" class="small" onClick=${() => setShown(e)} aria-label=${t("Show the bodies of this exchange")}>${t("Show")}</button>` },
  ];
  return html`<details onToggle=${(e) => setOpen(e.target.open)}>
    <summary>${t("Last exchanges, secrets masked")}</summary>
    ${open && (exchanges.data
      ? html`<${Table} caption=${t("Exchanges with {name}", { name })} columns=${columns} rows=${exchanges.data.exchanges.slice(0, 100)} />`
      : html`<${Waiting} of=${exchanges} />`)}
    ${shown && html`<${Dialog} title=${`${shown.method} ${shown.path}`} onClose=${() => setShown(null)}>
      <h3>${t("Request")}</h3><pre tabindex="0">${pretty(shown.request)}</pre>
      <h3>${t("Answer")}</h3><pre tabindex="0">${pretty(shown.response)}</pre>
    <//>`}
  </details>`;
}

function pretty(text) {
  if (!text) return "–";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Register({ onClose }) {
  const [error, setError] = useState(null);
  const [checks, setChecks] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.target));
    setBusy(true);
    setError(null);
    try {
      setChecks((await post("/partners", form)).checks);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return html`<${Dialog} title=${t("Register at a network")} onClose=${onClose}>
    ${checks
      ? html`<p>${t("Registered.")}</p><${Checks} rows=${checks} />`
      : html`<form onSubmit=${submit}>
          <${Field} label=${t("Our name of it")}><input name="name" required pattern="[^\\s\\/]+" /><//>
          <${Field} label=${t("Versions URL")}><input name="versions_url" type="url" required /><//>
          <${Field} label=${t("Token A")} hint=${t("The single-use token that the network gave you.")}><input name="token_a" type="password" autocomplete="off" required /><//>
          <${Problem} error=${error} />
          <button type="submit" class="main" disabled=${busy}>${busy ? t("Registering …") : t("Register")}</button>
        </form>`}
  <//>`;
}

function Invite({ onClose }) {
  const [error, setError] = useState(null);
  const [given, setGiven] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      setGiven(await post("/partners/invite", Object.fromEntries(new FormData(event.target))));
    } catch (problem) {
      setError(problem);
    }
  };
  const copy = () => navigator.clipboard?.writeText(given.token_a).then(() => say(t("Copied.")));
  return html`<${Dialog} title=${t("Invite a network")} onClose=${onClose}>
    ${given
      ? html`<p>${t("Give the network these two. The token is shown this once.")}</p>
          <dl class="facts"><dt>${t("Versions URL")}</dt><dd class="break">${given.versions_url}</dd>
          <dt>${t("Token A")}</dt><dd class="break"><code>${given.token_a}</code></dd></dl>
          <button type="button" onClick=${copy}>${t("Copy the token")}</button>`
      : html`<form onSubmit=${submit}>
          <${Field} label=${t("Our name of it")}><input name="name" required pattern="[^\\s\\/]+" /><//>
          <${Problem} error=${error} />
          <button type="submit" class="main">${t("Invite")}</button>
        </form>`}
  <//>`;
}
