// A new charger, from the first refusal to its EVSEs in the site: let in, boot seen, described.
import { html, useState } from "./lib.js";
import { get, part, put } from "./api.js";
import { Copy, Dialog, Field, Pill, Problem } from "./parts.js";
import { newPassword } from "./station.js";
import { loadSites, refresh, site, sites, useData } from "./store.js";
import { clockSeconds, kw } from "./time.js";
import { t } from "./text.js";

// `newcomer` waits for approval; `station` is approved and only to be described.
export function Approve({ newcomer, station: given, onClose }) {
  const id = newcomer?.id ?? given.id;
  const [password, setPassword] = useState(null);
  const [done, setDone] = useState(null);
  const approved = given || password;
  const station = useData(approved ? `/stations/${part(id)}` : null, { every: 1000 });
  const connected = station.data?.state === "connected";
  return html`<${Dialog} title=${t("Charger {id}", { id })} onClose=${onClose}>
    <ol class="stages">
      <li aria-current=${approved ? undefined : "step"}>
        <h3>${t("Let it in")}</h3>
        ${approved ? html`<p>${t("Approved.")}</p>` : html`<${LetIn} newcomer=${newcomer} onApproved=${setPassword} />`}
        ${password && html`<p class="made" role="status">${t("Type this password into the charger; it is shown this once:")} <${Copy} text=${password} label=${t("Copy the password")} /></p>`}
      </li>
      ${approved && html`<li aria-current=${connected ? undefined : "step"}>
        <h3>${t("See it boot")}</h3>
        ${connected ? html`<${Boot} station=${station.data} />` : html`<p class="quiet" role="status">${t("Waiting for it to come with the password. Chargers try again by themselves, some within a minute.")}</p>`}
      </li>`}
      ${connected && html`<li aria-current=${done ? undefined : "step"}>
        <h3>${t("Say what it is")}</h3>
        ${done ? html`<${Settled} done=${done} station=${station.data} />` : html`<${Describe} station=${station.data} onDone=${setDone} />`}
      </li>`}
    </ol>
    ${done && html`<p class="actions"><button type="button" class="main" onClick=${onClose}>${t("Done")}</button></p>`}
  <//>`;
}

function LetIn({ newcomer, onApproved }) {
  const [error, setError] = useState(null);
  const encrypted = location.protocol === "https:";
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const password = newPassword();
    const body = { password, allow_insecure: form.has("insecure") };
    if (site.value) body.site = site.value;
    if (!newcomer.protocols) body.assume_protocol = form.get("protocol");
    try {
      await put(`/stations/${part(newcomer.id)}`, body);
      onApproved(password);
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<form onSubmit=${submit}>
    <p>${t("It came from {from} and speaks {protocols}.", { from: newcomer.from ?? "–", protocols: newcomer.protocols || t("no named protocol") })}</p>
    ${!newcomer.protocols && html`<${Field} label=${t("It names no protocol: assume")}><select name="protocol"><option>ocpp1.6</option><option>ocpp2.0.1</option><option>ocpp2.1</option></select><//>`}
    <label class="check"><input type="checkbox" name="insecure" /> ${t("It may come without encryption (plain ws)")}</label>
    <p class="quiet">${encrypted ? t("Leave this off unless the charger cannot do TLS.") : t("This service has no TLS of its own here: a charger on another machine needs this. Only within a network that you trust.")}</p>
    <${Problem} error=${error} />
    <button type="submit" class="main">${t("Approve and make a password")}</button>
  </form>`;
}

function Boot({ station }) {
  return html`<p role="status"><${Pill} kind="good">${t("connected")}<//> ${station.connection.protocol}, ${clockSeconds(station.connection.since)}</p>
    <dl class="facts">
      <dt>${t("Model")}</dt><dd>${[station.vendor, station.model].filter(Boolean).join(" ") || t("it has not said yet")}</dd>
      <dt>${t("Serial number")}</dt><dd>${station.serial ?? "–"}</dd>
      <dt>${t("Firmware")}</dt><dd>${station.firmware ?? "–"}</dd>
    </dl>`;
}

const PHASES = { 3: ["L1", "L2", "L3"], 1: ["L1"] };

function Describe({ station, onDone }) {
  const [error, setError] = useState(null);
  const [phases, setPhases] = useState("3");
  const info = useData(site.value ? `/sites/${part(site.value)}` : null, { fixed: true });
  const numbers = station.evses.map((e) => e.evse).filter((n) => n > 0);
  const connectors = numbers.length ? numbers : [1];
  if (!site.value) return html`<p>${t("First describe a site.")} <a href="#/site">${t("Site")}</a></p>`;
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setError(null);
    try {
      // Read anew: somebody else may have changed the site meanwhile.
      const { status, ...body } = await get(`/sites/${part(site.value)}`);
      const taken = new Set(body.evses.map((e) => e.id));
      const names = connectors.filter((n) => form.has(`use-${n}`));
      const added = names.map((n) => {
        const evse = {
          id: form.get(`name-${n}`).trim(), circuit: form.get("circuit"), max_kw: Number(form.get("max")),
          source: { ocpp: { station: station.id, evse: n } },
        };
        if (phases === "dc") evse.current_type = "dc";
        else evse.phases = phases === "1" ? [form.get("phase")] : PHASES[3];
        if (form.get("min")) evse.min_kw = Number(form.get("min"));
        return evse;
      });
      const double = added.find((e) => taken.has(e.id));
      if (double) throw new Error(t("{name} is there already.", { name: double.id }));
      onDone(await put(`/sites/${part(site.value)}`, { ...body, evses: [...body.evses, ...added] }));
      refresh.value += 1;
      await loadSites();
    } catch (problem) {
      setError(problem);
    }
  };
  const many = connectors.length > 1;
  return html`<form onSubmit=${submit}>
    ${connectors.map((n) => html`<div class="inline" key=${n}>
      <label class="check"><input type="checkbox" name=${`use-${n}`} defaultChecked /> ${t("EVSE {number}", { number: n })}</label>
      <label class="inline">${t("Name")} <input name=${`name-${n}`} required pattern="[^\\s\\/]+" maxlength="36" defaultValue=${many ? `${station.id}-${n}` : station.id} /></label>
    </div>`)}
    <div class="fields">
      <${Field} label=${t("Most power of each, kW")}><input key=${phases} name="max" type="number" min="0.1" max="1000" step="0.01" required defaultValue=${phases === "1" ? "7.36" : phases === "3" ? "11.04" : "50"} /><//>
      <${Field} label=${t("Least power while it charges, kW")} hint=${t("Empty: 6 A per phase.")}><input name="min" type="number" min="0" max="1000" step="0.01" /><//>
      <${Field} label=${t("Phases")}><select value=${phases} onChange=${(e) => setPhases(e.target.value)}><option value="3">${t("three")}</option><option value="1">${t("one")}</option><option value="dc">DC</option></select><//>
      ${phases === "1" && html`<${Field} label=${t("On")}><select name="phase"><option>L1</option><option>L2</option><option>L3</option></select><//>`}
      <${Field} label=${t("Circuit")}><select name="circuit">${(info.data?.circuits ?? []).map((c) => html`<option>${c.id}</option>`)}</select><//>
    </div>
    <${Problem} error=${error} />
    <button type="submit" class="main" disabled=${!info.data}>${t("Add to {site}", { site: sites.value.find((s) => s.site === site.value)?.name ?? site.value })}</button>
  </form>`;
}

// In the site: what all chargers may draw if we fall silent, and whether this one has its share.
function Settled({ done, station }) {
  const root = done.circuits.find((c) => !c.parent);
  const limit = root?.failsafe_limit_kw ?? root?.import_limit_kw;
  const sum = done.status.fallback_sum_kw;
  const told = station.evses.filter((e) => e.asked?.scope === "default" && e.answered?.accepted).length;
  const sends = ["live", "canary"].includes(done.status.effective_mode);
  return html`<p>${t("Part of the site.")}</p>
    <dl class="facts">
      <dt>${t("Sum of fallbacks")}</dt><dd>${kw(sum)} ${limit !== null && limit !== undefined && html`<${Pill} kind=${sum <= limit ? "good" : "bad"}>${sum <= limit ? t("within {limit}: silence is safe", { limit: kw(limit) }) : t("above {limit}", { limit: kw(limit) })}<//>`}</dd>
      <dt>${t("Its fallback")}</dt><dd role="status">${told > 0 ? html`<${Pill} kind="good">${t("taken by the charger")}<//>` : sends ? t("being told …") : t("told when the site goes live; now nothing is sent")} ${!sends && html`<a href="#/rollout">${t("Rollout")}</a>`}</dd>
    </dl>`;
}
