// Who charges when, under the price; a click says why.
import { html, useMemo, useState } from "../lib.js";
import { part } from "../api.js";
import { OverrideButtons } from "../override.js";
import { Card, Empty, Page, Pill, Waiting } from "../parts.js";
import { Strip, at, gradient, powerShade } from "../strip.js";
import { currency, live, site, useData } from "../store.js";
import { clock, dayClock, kw, kwh, number } from "../time.js";
import { reason, t } from "../text.js";

export function Plan() {
  const plan = useData(`/sites/${part(site.value)}/plan?compact=true`, { slow: true, when: live.value?.plan_id });
  const [chosen, setChosen] = useState(null);
  const data = plan.data;
  if (!data) return html`<${Page} title=${t("Plan")}><${Waiting} of=${plan} /><//>`;
  if (data.plan_id === null) {
    return html`<${Page} title=${t("Plan")}><${Empty}>${t("There is no plan yet: no car has come.")}<//><//>`;
  }
  const lead = t("Plan {id}, made at {time}, {origin}. It expects to spend {cost}.", {
    id: data.plan_id,
    time: clock(data.made_at),
    origin: t(data.origin.replaceAll("_", " ")),
    cost: `${number(data.cost, 2)} ${data.currency}`,
  });
  return html`<${Page} title=${t("Plan")} lead=${lead}>
    <div class="plan-layout">
      <${Card}><${Grid} plan=${data} chosen=${chosen} onChoose=${setChosen} /><//>
      <div class=${`why-card ${chosen ? "chosen" : ""}`}><${Why} plan=${data} chosen=${chosen} /></div>
    </div>
  <//>`;
}

const slotTime = (plan, slot) => new Date(Date.parse(plan.start) + slot * plan.slot_s * 1e3);
const slotOf = (plan, at) => (Date.parse(at) - Date.parse(plan.start)) / (plan.slot_s * 1e3);

function Grid({ plan, chosen, onChoose }) {
  const evses = useMemo(
    () => [...plan.evses].sort((a, b) => (a.departure ?? "9").localeCompare(b.departure ?? "9") || a.evse.localeCompare(b.evse)),
    [plan],
  );
  const hours = useMemo(() => ticks(plan), [plan]);
  return html`<div class="grid">
    <div class="row head" aria-hidden="true">
      <span class="who"></span>
      <span class="axis">${hours.map((h) => html`<span style=${{ left: `${h.at}%` }}>${h.text}</span>`)}</span>
    </div>
    <${Prices} plan=${plan} chosen=${chosen} />
    <div class="row total">
      <span class="who">${t("All")} <small>${t("limit")} ${limitNow(plan)}</small></span>
      <div class="strip still" style=${{ backgroundImage: total(plan) }} role="img" aria-label=${t("Share of the limit in use")}></div>
    </div>
    ${evses.map((e) => html`<${Row} key=${e.evse} plan=${plan} evse=${e} chosen=${chosen} onChoose=${onChoose} />`)}
  </div>`;
}

const limitNow = (plan) => {
  const limit = plan.circuits[0] ? at(plan.circuits[0].limit_kw, 0) : null;
  return limit === null || limit > 1e8 ? "–" : kw(limit, 0);
};

// How much of the limit is planned, from nothing to all of it.
function total(plan) {
  const root = plan.circuits[0];
  if (!root) return "none";
  const edges = new Set([0]);
  for (const list of [root.planned_kw, root.uncontrolled_kw, root.limit_kw]) list.forEach(([s]) => edges.add(s));
  const steps = [...edges].sort((a, b) => a - b).map((slot) => {
    const limit = at(root.limit_kw, slot);
    const load = (at(root.planned_kw, slot) ?? 0) + (at(root.uncontrolled_kw, slot) ?? 0);
    return [slot, limit > 0 ? load / limit : 0];
  });
  return gradient(steps, plan.slots, (share) =>
    share > 1.0005 ? "var(--limit)" : `color-mix(in srgb, var(--plan) ${Math.round(Math.min(1, share) * 100)}%, var(--cell))`,
  );
}

function ticks(plan) {
  const all = [];
  const each = plan.slots * plan.slot_s > 14 * 3600 ? 3 : plan.slots * plan.slot_s > 7 * 3600 ? 2 : 1;
  const start = Date.parse(plan.start);
  const end = start + plan.slots * plan.slot_s * 1e3;
  for (let at = Math.ceil(start / 3600e3) * 3600e3; at < end; at += 3600e3) {
    const text = clock(at);
    if (Number(text.slice(0, 2)) % each === 0) all.push({ at: ((at - start) / (end - start)) * 100, text });
  }
  return all.filter((tick) => tick.at < 96);
}

function Prices({ plan, chosen }) {
  const steps = plan.price_per_kwh;
  if (!steps.length) {
    return html`<div class="row"><span class="who">${t("Price")}</span><span class="quiet">${t("no price known")}</span></div>`;
  }
  const values = steps.map(([, v]) => v);
  const low = Math.min(0, ...values);
  const high = Math.max(...values, low + 0.001);
  const bars = steps.map(([slot, value], index) => {
    const end = steps[index + 1]?.[0] ?? plan.slots;
    const tall = ((Math.abs(value) / (high - low)) * 100).toFixed(2);
    const base = (((value < 0 ? 0 - Math.abs(value) : 0) - low) / (high - low)) * 100;
    return html`<span
      class=${`bar ${value < 0 ? "negative" : ""}`}
      style=${{ left: `${(slot / plan.slots) * 100}%`, width: `calc(${((end - slot) / plan.slots) * 100}% - 1px)`, height: `${tall}%`, bottom: `${base}%` }}
    ></span>`;
  });
  const range = `${number(Math.min(...values) * 100, 1)} – ${number(Math.max(...values) * 100, 1)} ct`;
  return html`<div class="row price">
    <span class="who">${t("Price")} <small>${range}</small></span>
    <div class="bars" role="img" aria-label=${`${t("Price")}: ${range} ${currency.value}/kWh`}>${bars}${
      chosen && html`<span class="selected" style=${{ left: `${(chosen.slot / plan.slots) * 100}%`, width: `${100 / plan.slots}%` }}></span>`
    }</div>
  </div>`;
}

function Row({ plan, evse, chosen, onChoose }) {
  const marks = [];
  if (evse.ready_at) marks.push({ kind: "ready", slot: slotOf(plan, evse.ready_at), title: `${t("Ready")} ${clock(evse.ready_at)}` });
  if (evse.departure) marks.push({ kind: "leaves", slot: slotOf(plan, evse.departure), title: `${t("Leaves")} ${clock(evse.departure)}` });
  const tell = (slot) =>
    `${clock(slotTime(plan, slot))}: ${kw(at(evse.planned_kw, slot))}, ${reason(at(evse.reasons, slot))}`;
  return html`<div class="row">
    <span class="who">${evse.evse} <small>${kwh(evse.needed_kwh)}${evse.unmet_kwh > 0.1 && html` <b class="bad">−${number(evse.unmet_kwh)}</b>`}</small></span>
    <${Strip}
      label=${t("Plan of {evse}", { evse: evse.evse })}
      background=${() => gradient(evse.planned_kw, plan.slots, powerShade(evse.max_kw))}
      slots=${plan.slots}
      marks=${marks}
      selected=${chosen?.evse === evse.evse ? chosen.slot : null}
      onSelect=${(slot) => onChoose({ evse: evse.evse, slot })}
      tell=${tell}
    />
  </div>`;
}

// Why this EVSE gets this at this time.
function Why({ plan, chosen }) {
  const evse = chosen && plan.evses.find((e) => e.evse === chosen.evse);
  if (!evse) {
    return html`<${Card} title=${t("Why")}>
      <p class="quiet">${t("Choose a cell: click, or move with the arrow keys.")}</p>
      <ul class="legend">
        <li><span class="swatch whole"></span>${t("all of the limit is in use")}</li>
        <li><span class="swatch charge"></span>${t("charges, the darker the more")}</li>
        <li><span class="swatch ready"></span>${t("ready")}</li>
        <li><span class="swatch leaves"></span>${t("leaves")}</li>
      </ul>
    <//>`;
  }
  const slot = Math.min(chosen.slot, plan.slots - 1);
  const root = plan.circuits[0];
  const shadow = root ? at(root.shadow_price_per_kwh, slot) : null;
  const price = plan.price_per_kwh.length ? at(plan.price_per_kwh, slot) : null;
  const cents = (v) => (v === null ? "–" : `${number(v * 100, 1)} ct/kWh`);
  const limit = root ? at(root.limit_kw, slot) : null;
  const load = root ? at(root.planned_kw, slot) + at(root.uncontrolled_kw, slot) : null;
  return html`<${Card} title=${`${evse.evse}, ${dayClock(slotTime(plan, slot))}`} aria-live="polite">
    <p class="why">${reason(at(evse.reasons, slot))}.</p>
    <dl class="facts">
      <dt>${t("Planned")}</dt><dd>${kw(at(evse.planned_kw, slot))}</dd>
      <dt>${t("Price")}</dt><dd>${cents(price)}</dd>
      <dt>${t("Shadow price")}</dt><dd>${cents(shadow)} <small>${t("what one more kWh of room would be worth")}</small></dd>
      <dt>${t("Site")}</dt><dd>${load === null ? "–" : kw(load)} ${t("of")} ${limit === null || limit > 1e8 ? "–" : kw(limit)}</dd>
      <dt>${t("Limited by")}</dt><dd>${evse.limited_by.length ? evse.limited_by.join(", ") : t("nothing")}</dd>
    </dl>
    <h3>${t("This vehicle")}</h3>
    <dl class="facts">
      <dt>${t("Needs")}</dt><dd>${kwh(evse.needed_kwh)}</dd>
      <dt>${t("Ready")}</dt><dd>${dayClock(evse.ready_at)}</dd>
      <dt>${t("Leaves")}</dt><dd>${dayClock(evse.departure)}</dd>
      ${evse.unmet_kwh > 0.1 && html`<dt>${t("Short of")}</dt><dd><${Pill} kind="bad">${kwh(evse.unmet_kwh)}<//></dd>`}
      <dt>${t("Measured now")}</dt><dd>${kw(evse.measured_kw)}</dd>
      <dt>${t("Limit sent")}</dt><dd>${kw(evse.sent_now_kw)}</dd>
      <dt>${t("Limit confirmed")}</dt><dd>${kw(evse.confirmed_now_kw)}</dd>
      <dt>${t("May draw now")}</dt><dd>${kw(evse.may_draw_kw)}</dd>
    </dl>
    <${OverrideButtons} evse=${evse.evse} />
  <//>`;
}
