// What a site is: its connection, circuits and EVSEs. The first one is made here too.
import { html, useState } from "../lib.js";
import { get, part, put, remove } from "../api.js";
import { Card, Empty, Field, Page, Problem, Table, Waiting, say } from "../parts.js";
import { isAdmin, loadSites, refresh, route, site, sites, useData } from "../store.js";
import { kw } from "../time.js";
import { t } from "../text.js";

export function Site() {
  const info = useData(site.value ? `/sites/${part(site.value)}` : null, { slow: true });
  const [making, setMaking] = useState(false);
  if (!site.value) return html`<${Page} title=${t("No site yet")}><${First} /><//>`;
  const actions = isAdmin.value && html`<button type="button" onClick=${() => setMaking(!making)}>${making ? t("Cancel") : t("Another site")}</button>`;
  return html`<${Page} title=${t("Site")} lead=${t("What the connection bears, and what hangs on it.")} actions=${actions}>
    ${making && html`<${First} onDone=${() => setMaking(false)} />`}
    ${!info.data ? html`<${Waiting} of=${info} />` : html`<${Edit} key=${site.value} info=${info.data} reload=${info.reload} />`}
  <//>`;
}

const zones = () => Intl.supportedValuesOf?.("timeZone") ?? [];
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
// A name as it can stand in an address.
const idOf = (name) => name.trim().replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 36);

// Five questions; everything else can wait.
export function First({ onDone }) {
  const [error, setError] = useState(null);
  if (!isAdmin.value) return html`<${Empty}>${t("An administrator describes the first site.")}<//>`;
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const name = form.get("name").trim();
    const id = idOf(name);
    const body = {
      name, time_zone: form.get("zone"), currency: form.get("currency").toUpperCase(),
      circuits: [{ id: "site", parent: null, import_limit_kw: Number(form.get("limit")) }],
    };
    if (form.get("price")) body.price = { flat_per_kwh: Number(form.get("price")) };
    try {
      if (!id) throw new Error(t("The name needs a letter or a digit."));
      await loadSites();
      if (sites.value.some((s) => s.site === id)) throw new Error(t("{name} is there already.", { name: id }));
      await put(`/sites/${part(id)}`, body);
      await loadSites();
      site.value = id;
      say(t("{name} is described. It is in shadow: nothing is sent.", { name }));
      onDone?.();
      if (route.peek() !== "site") location.hash = "#/chargers";
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Card} title=${t("Describe a site")}>
    <form class="fields" onSubmit=${submit}>
      <${Field} label=${t("Name")}><input name="name" required maxlength="36" placeholder=${t("Depot North")} /><//>
      <${Field} label=${t("Time zone")}><input name="zone" list="zones" required defaultValue=${here} /><//>
      <datalist id="zones">${zones().map((z) => html`<option value=${z} />`)}</datalist>
      <${Field} label=${t("Limit of the grid connection, kW")}><input name="limit" type="number" min="0.1" step="0.1" required /><//>
      <${Field} label=${t("Currency")}><input name="currency" required pattern="[A-Za-z]{3}" defaultValue="EUR" /><//>
      <${Field} label=${t("Fixed price per kWh, if any")}><input name="price" type="number" min="-10" max="10" step="0.0001" /><//>
      <p class="actions"><button type="submit" class="main">${t("Make the site")}</button></p>
    </form>
    <${Problem} error=${error} />
    <p class="quiet">${t("It begins in shadow: plans are made and shown, nothing is sent.")}</p>
  <//>`;
}

function Edit({ info, reload }) {
  const [error, setError] = useState(null);
  const save = async (change) => {
    setError(null);
    try {
      // Read anew: somebody else may have changed it meanwhile.
      const { status, ...body } = await get(`/sites/${part(site.value)}`);
      await put(`/sites/${part(site.value)}`, change(body));
      await loadSites();
      refresh.value += 1;
      reload();
      say(t("Saved."));
    } catch (problem) {
      setError(problem);
      throw problem;
    }
  };
  return html`<${Problem} error=${error} />
    ${info.status.warnings.map((w) => html`<p class="problem" lang="en">${w}</p>`)}
    <div class="pair">
      <${Connection} info=${info} save=${save} />
      <${Circuits} info=${info} save=${save} />
    </div>
    <${EvseList} info=${info} save=${save} />
    ${isAdmin.value && html`<${Whole} info=${info} save=${save} />`}`;
}

const numberOr = (text) => (text === "" || text === null ? null : Number(text));

function Connection({ info, save }) {
  const root = info.circuits.find((c) => !c.parent);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    await save((body) => ({
      ...body,
      name: form.get("name"), time_zone: form.get("zone"), currency: form.get("currency").toUpperCase(),
      arrival_reserve: form.get("reserve"),
      price: form.get("price") === "" ? null : { flat_per_kwh: Number(form.get("price")) },
      circuits: body.circuits.map((c) => (c.parent ? c : {
        ...c, import_limit_kw: numberOr(form.get("limit")), failsafe_limit_kw: numberOr(form.get("failsafe")), phase_limit_a: numberOr(form.get("phase")),
      })),
    })).catch(() => {});
  };
  const locked = !isAdmin.value;
  return html`<${Card} title=${t("Connection and price")}>
    <form onSubmit=${submit}><fieldset class="bare" disabled=${locked}>
      <div class="fields">
        <${Field} label=${t("Name")}><input name="name" defaultValue=${info.name} /><//>
        <${Field} label=${t("Time zone")}><input name="zone" required defaultValue=${info.time_zone} /><//>
        <${Field} label=${t("Limit of the grid connection, kW")} hint=${t("Never exceeded by anything we send.")}><input name="limit" type="number" min="0" step="0.001" defaultValue=${root.import_limit_kw ?? ""} /><//>
        <${Field} label=${t("Limit per phase, A")}><input name="phase" type="number" min="0" step="0.1" defaultValue=${root.phase_limit_a ?? ""} /><//>
        <${Field} label=${t("Fail-safe limit, kW")} hint=${t("Holds when a limit from outside is lost.")}><input name="failsafe" type="number" min="0" step="0.001" defaultValue=${root.failsafe_limit_kw ?? ""} /><//>
        <${Field} label=${t("Held back for arrivals")} hint=${t("all, none, or largest:N")}><input name="reserve" required pattern="all|none|largest:[0-9]+" defaultValue=${info.arrival_reserve} /><//>
        <${Field} label=${t("Currency")}><input name="currency" required pattern="[A-Za-z]{3}" defaultValue=${info.currency} /><//>
        <${Field} label=${t("Fixed price per kWh, if any")}><input name="price" type="number" step="0.0001" defaultValue=${info.price?.flat_per_kwh ?? ""} /><//>
      </div>
      ${!locked && html`<button type="submit" class="main">${t("Save")}</button>`}
    </fieldset></form>
  <//>`;
}

function Circuits({ info, save }) {
  const add = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const circuit = { id: form.get("id").trim(), parent: form.get("parent"), import_limit_kw: numberOr(form.get("limit")), phase_limit_a: numberOr(form.get("phase")) };
    await save((body) => ({ ...body, circuits: [...body.circuits, circuit] })).then(() => event.target.reset(), () => {});
  };
  const drop = (id) => save((body) => ({ ...body, circuits: body.circuits.filter((c) => c.id !== id) })).catch(() => {});
  const used = (id) => info.evses.some((e) => e.circuit === id) || info.circuits.some((c) => c.parent === id);
  return html`<${Card} title=${t("Circuits")}>
    <${Table} caption=${t("Circuits")} rows=${info.circuits} keyOf=${(c) => c.id} columns=${[
      { head: t("Circuit"), header: true, cell: (c) => c.id },
      { head: t("Beneath"), cell: (c) => c.parent ?? t("the grid") },
      { head: t("Limit"), number: true, cell: (c) => kw(c.import_limit_kw) },
      { head: t("Per phase"), number: true, cell: (c) => (c.phase_limit_a === null ? "–" : `${c.phase_limit_a} A`) },
      { label: t("Actions"), cell: (c) => isAdmin.value && c.parent && !used(c.id) && html`<button type="button" class="small danger" onClick=${() => drop(c.id)} aria-label=${`${t("Remove")}: ${c.id}`}>${t("Remove")}</button>` },
    ]} />
    ${isAdmin.value && html`<details><summary>${t("Add a circuit")}</summary><form class="fields" onSubmit=${add}>
      <${Field} label=${t("Name")}><input name="id" required pattern="[^\\s\\/]+" maxlength="36" /><//>
      <${Field} label=${t("Beneath")}><select name="parent">${info.circuits.map((c) => html`<option>${c.id}</option>`)}</select><//>
      <${Field} label=${t("Limit, kW")}><input name="limit" type="number" min="0" step="0.001" /><//>
      <${Field} label=${t("Limit per phase, A")}><input name="phase" type="number" min="0" step="0.1" /><//>
      <p class="actions"><button type="submit">${t("Add")}</button></p>
    </form></details>`}
  <//>`;
}

const sourceOf = (e) => (e.source.ocpp ? `OCPP ${e.source.ocpp.station} / ${e.source.ocpp.evse}` : `OCPI ${e.source.ocpi.partner} / ${e.source.ocpi.location_id} / ${e.source.ocpi.evse_uid}`);

function EvseList({ info, save }) {
  const drop = (id) => save((body) => ({ ...body, evses: body.evses.filter((e) => e.id !== id) })).catch(() => {});
  return html`<${Card} title=${t("EVSEs")} aside=${html`<span class="count">${info.evses.length}</span>`}>
    ${info.evses.length === 0 ? html`<${Empty}>${t("None. They come from a charger of your own or from a partner's locations.")} <a href="#/chargers">${t("Chargers")}</a> <a href="#/partners">${t("Partners")}</a><//>`
    : html`<${Table} caption=${t("EVSEs")} rows=${info.evses} keyOf=${(e) => e.id} columns=${[
      { head: t("EVSE"), header: true, cell: (e) => e.id },
      { head: t("Circuit"), cell: (e) => e.circuit },
      { head: t("At most"), number: true, cell: (e) => kw(e.max_kw) },
      { head: t("At least"), number: true, cell: (e) => kw(e.min_kw), wide: true },
      { head: t("Phases"), cell: (e) => (e.current_type === "dc" ? "DC" : e.phases.length ? e.phases.join(" ") : t("{count}, not known which", { count: e.phase_count })), wide: true },
      { head: t("Reached by"), cell: (e) => html`<span class="break">${sourceOf(e)}</span>`, wide: true },
      { label: t("Actions"), cell: (e) => isAdmin.value && html`<button type="button" class="small danger" onClick=${() => drop(e.id)} aria-label=${`${t("Remove")}: ${e.id}`}>${t("Remove")}</button>` },
    ]} />`}
  <//>`;
}

// Everything at once, for what has no form: limit sources, minimum powers, fallbacks.
function Whole({ info, save }) {
  const [text, setText] = useState(null);
  const [error, setError] = useState(null);
  const [sure, setSure] = useState(false);
  const { status, ...body } = info;
  const apply = async () => {
    setError(null);
    try {
      const wanted = JSON.parse(text);
      await save(() => wanted);
      setText(null);
    } catch (problem) {
      setError(problem instanceof SyntaxError ? problem : null);
    }
  };
  const forget = async () => {
    try {
      await remove(`/sites/${part(site.value)}`);
      await loadSites();
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<details onToggle=${(e) => setText(e.target.open ? JSON.stringify(body, null, 2) : null)}>
    <summary>${t("The whole description as JSON")}</summary>
    ${text !== null && html`<${Field} label=${t("As PUT /sites/{site} takes it")}><textarea rows="18" spellcheck="false" value=${text} onInput=${(e) => setText(e.target.value)}></textarea><//>
      <${Problem} error=${error} />
      <p class="actions"><button type="button" class="main" onClick=${apply}>${t("Save")}</button>
        ${sure ? html`<button type="button" class="danger" onClick=${forget}>${t("Yes, remove the site")}</button>` : html`<button type="button" class="danger" onClick=${() => setSure(true)}>${t("Remove the site")}</button>`}</p>`}
  </details>`;
}
