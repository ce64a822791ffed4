// Overrides: what it would cost and whom it would delay comes first, then one click does it.
import { html, signal, useEffect, useState } from "./lib.js";
import { part, post } from "./api.js";
import { clock, dayClock, kwh, money } from "./time.js";
import { Dialog, Field, Problem, Waiting, say } from "./parts.js";
import { canOperate, now, refresh, site } from "./store.js";
import { t } from "./text.js";

// What somebody is about to do: { evse, action }.
const asked = signal(null);
const HOURS = [1, 2, 4, 8, 24];

const path = (evse) => `/sites/${part(site.value)}/evses/${part(evse)}/override`;
const bodyOf = (action, hours) => ({
  action,
  until: new Date(now.peek().getTime() + hours * 3600e3).toISOString().replace(/\.\d+/, ""),
});

async function release(evse) {
  try {
    await post(path(evse), { action: "release" });
    refresh.value += 1;
    say(t("The override of {evse} is lifted.", { evse }));
  } catch (error) {
    say(error.message, "bad");
  }
}

// The buttons of one EVSE.
export function OverrideButtons({ evse, active }) {
  if (!canOperate.value) return active ? html`<span>${label(active)}</span>` : null;
  const button = (action, text, sign) =>
    html`<button
      type="button"
      class=${`small ${active === action ? "on" : ""}`}
      aria-pressed=${active === action}
      aria-label=${`${text}: ${evse}`}
      title=${text}
      onClick=${() => (active === action ? release(evse) : (asked.value = { evse, action }))}
    ><span aria-hidden="true">${sign}</span><span class="wide">${text}</span></button>`;
  return html`<span class="buttons">
    ${button("charge_now", t("Charge now"), "⚡")} ${button("pause", t("Pause"), "❚❚")}
  </span>`;
}

export const label = (action) => ({ charge_now: t("Charge now"), pause: t("Pause") })[action] ?? action;

// What the override somebody is about to make would do; nothing has happened yet.
export function OverrideDialog() {
  const wish = asked.value;
  return wish ? html`<${Weigh} key=${`${wish.evse} ${wish.action}`} ...${wish} /> ` : null;
}

function Weigh({ evse, action }) {
  const [hours, setHours] = useState(4);
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const close = () => (asked.value = null);
  useEffect(() => {
    let gone = false;
    setAnswer(null);
    post(`${path(evse)}?dry_run=true`, bodyOf(action, hours))
      .then((told) => !gone && setAnswer(told))
      .catch((problem) => !gone && setError(problem));
    return () => (gone = true);
  }, [hours]);
  const act = async () => {
    try {
      const done = await post(path(evse), bodyOf(action, hours));
      refresh.value += 1;
      close();
      say(t("{evse}: {action}, until {time}.", { evse, action: label(action), time: dayClock(done.until) }));
    } catch (problem) {
      setError(problem);
    }
  };
  return html`<${Dialog} title=${`${evse}: ${label(action)}`} onClose=${close}>
    <${Field} label=${t("For how many hours")}><select value=${hours} onChange=${(e) => setHours(Number(e.target.value))}>
      ${HOURS.map((h) => html`<option value=${h}>${h}</option>`)}</select><//>
    <div aria-live="polite">${answer ? html`<${Effect} effect=${answer.effect} />` : !error && html`<${Waiting} of=${{}} />`}</div>
    <${Problem} error=${error} />
    <p class="actions">
      <button type="button" onClick=${close}>${t("Cancel")}</button>
      <button type="button" class="main" disabled=${!answer} onClick=${act}>${label(action)}</button>
    </p>
  <//>`;
}

// The plan with it against the plan without it.
export function Effect({ effect }) {
  if (!effect) return html`<p>${t("The effect was not computed: too many ask at once.")}</p>`;
  // Who goes short first, then who waits longest.
  const later = (v) => Date.parse(v.ready_after ?? "9999-01-01") - Date.parse(v.ready_before);
  const lacks = (v) => v.unmet_after_kwh - v.unmet_before_kwh;
  const delayed = [...(effect.delayed ?? [])].sort((a, b) => lacks(b) - lacks(a) || later(b) - later(a));
  const missed = delayed.reduce((sum, v) => sum + v.unmet_after_kwh - v.unmet_before_kwh, 0);
  return html`<dl class="tiles">
      <div class=${`tile ${effect.cost_change > 0.005 ? "warn" : ""}`}>
        <dt>${t("Cost")}</dt>
        <dd><span class="figure">${signed(effect.cost_change)} ${effect.currency}</span>
          ${missed > 0.05 && html`<span class="note">${t("{energy} are not delivered", { energy: kwh(missed) })}</span>`}</dd>
      </div>
      <div class="tile">
        <dt>${t("Energy moved")}</dt>
        <dd><span class="figure">${kwh(effect.moved_kwh)}</span></dd>
      </div>
      <div class=${`tile ${effect.vehicles_at_risk > 0 ? "bad" : ""}`}>
        <dt>${t("Delayed")}</dt>
        <dd><span class="figure">${effect.vehicles_delayed}</span></dd>
      </div>
    </dl>
    ${effect.vehicles_delayed === 0 && html`<p>${t("It delays nobody.")}</p>`}
    <ul class="rows">
      ${delayed.slice(0, 8).map(
        (v) => html`<li>
          <strong>${v.evse}</strong>${" "}
          ${v.ready_after
            ? t("ready at {after} instead of {before}", { after: clock(v.ready_after), before: clock(v.ready_before) })
            : t("not ready any more (was {before})", { before: clock(v.ready_before) })}${
            v.unmet_after_kwh > v.unmet_before_kwh && html`, ${t("short of {energy}", { energy: kwh(v.unmet_after_kwh) })}`
          }
        </li>`,
      )}
      ${delayed.length > 8 && html`<li class="quiet">${t("and {count} more, by less", { count: delayed.length - 8 })}</li>`}
    </ul>`;
}

const signed = (amount) => `${amount >= 0.005 ? "+" : ""}${money(amount)}`;
