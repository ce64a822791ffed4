// Who may come in: people with a password and a role, programs with a token.
import { html, useState } from "../lib.js";
import { part, post, put, remove } from "../api.js";
import { Card, Empty, Field, Page, Pill, Problem, Table, Waiting, say } from "../parts.js";
import { now, sites, useData } from "../store.js";
import { dateClock } from "../time.js";
import { t } from "../text.js";

export function Access() {
  const users = useData("/users", { fixed: true });
  const tokens = useData("/tokens", { fixed: true });
  return html`<${Page} title=${t("Access")}>
    <div class="pair">
      <${Card} title=${t("People")}>
        <${Users} of=${users} />
        <${AddUser} reload=${users.reload} />
      <//>
      <${Card} title=${t("Tokens for programs")}>
        <${Tokens} of=${tokens} />
        <${AddToken} reload=${tokens.reload} />
      <//>
    </div>
  <//>`;
}

async function take(path, reload) {
  try {
    await remove(path);
    reload();
  } catch (error) {
    say(error.message, "bad");
  }
}

function Users({ of }) {
  if (!of.data) return html`<${Waiting} of=${of} />`;
  if (of.data.users.length === 0) return html`<${Empty}>${t("Nobody yet. Until then one-time links and the admin token are the way in.")}<//>`;
  return html`<${Table} caption=${t("People")} rows=${of.data.users} keyOf=${(u) => u.name} columns=${[
    { head: t("Name"), header: true, cell: (u) => u.name },
    { head: t("Role"), cell: (u) => t(u.role) },
    { label: t("Actions"), cell: (u) => html`<button type="button" class="small danger" onClick=${() => take(`/users/${part(u.name)}`, of.reload)} aria-label=${`${t("Remove")}: ${u.name}`}>${t("Remove")}</button>` },
  ]} />`;
}

function AddUser({ reload }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    const { name, role, password } = Object.fromEntries(new FormData(form));
    try {
      await put(`/users/${part(name.trim())}`, { role, password });
      setError(null);
      form.reset();
      reload();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<form class="stack" onSubmit=${submit}>
    <h3>${t("Add a person, or give a new password")}</h3>
    <${Field} label=${t("Name")}><input name="name" required autocomplete="off" /><//>
    <${Field} label=${t("Role")}><select name="role">
      <option value="viewer">${t("viewer")}: ${t("looks on")}</option>
      <option value="operator">${t("operator")}: ${t("runs the site day by day")}</option>
      <option value="admin">${t("admin")}: ${t("sets everything up")}</option>
    </select><//>
    <${Field} label=${t("Password")} hint=${t("12 characters at least")}><input name="password" type="password" minlength="12" required autocomplete="new-password" /><//>
    <${Problem} error=${error} />
    <button type="submit" class="main">${t("Save")}</button>
  </form>`;
}

function Tokens({ of }) {
  if (!of.data) return html`<${Waiting} of=${of} />`;
  if (of.data.tokens.length === 0) return html`<${Empty}>${t("None.")}<//>`;
  return html`<${Table} caption=${t("Tokens for programs")} rows=${of.data.tokens} keyOf=${(k) => k.id} columns=${[
    { head: t("Name"), header: true, cell: (k) => k.name },
    { head: t("May"), cell: (k) => k.scopes.join(", ") },
    { head: t("Sites"), cell: (k) => k.sites?.join(", ") ?? t("all") },
    { head: t("Until"), cell: (k) => html`<${Pill} kind=${k.expired ? "bad" : "idle"}>${dateClock(k.expires_at)}<//>` },
    { label: t("Actions"), cell: (k) => html`<button type="button" class="small danger" onClick=${() => take(`/tokens/${part(k.id)}`, of.reload)} aria-label=${`${t("Revoke")}: ${k.name}`}>${t("Revoke")}</button>` },
  ]} />`;
}

const SCOPES = ["read", "signals:write", "operate", "admin"];

function AddToken({ reload }) {
  const [error, setError] = useState(null);
  const [made, setMade] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const body = { name: form.get("name"), scopes: form.getAll("scope") };
    if (form.get("site")) body.sites = [form.get("site")];
    body.expires_at = new Date(now.value.getTime() + Number(form.get("days")) * 86400e3).toISOString();
    try {
      setMade((await post("/tokens", body)).token);
      setError(null);
      event.target.reset?.();
      reload();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<form class="stack" onSubmit=${submit}>
    <h3>${t("Make a token")}</h3>
    ${made && html`<p class="made" role="status">${t("Shown this once:")} <code class="break">${made}</code></p>`}
    <${Field} label=${t("Name")}><input name="name" required autocomplete="off" /><//>
    <fieldset><legend>${t("May")}</legend>
      ${SCOPES.map((s) => html`<label class="check"><input type="checkbox" name="scope" value=${s} /> ${s}</label>`)}
    </fieldset>
    <${Field} label=${t("Site")}><select name="site"><option value="">${t("all")}</option>
      ${sites.value.map((s) => html`<option value=${s.site}>${s.name || s.site}</option>`)}</select><//>
    <${Field} label=${t("Days")}><input name="days" type="number" min="1" max="731" defaultValue="90" required /><//>
    <${Problem} error=${error} />
    <button type="submit" class="main">${t("Make")}</button>
  </form>`;
}
