// Overrides: one click does it, the answer says what it costs and whom it delays, one more undoes it.
import { html, signal } from "./lib.js";
import { part, post } from "./api.js";
import { clock, dayClock, kwh, number } from "./time.js";
import { Dialog, say } from "./parts.js";
import { canOperate, now, refresh, site } from "./store.js";
import { t } from "./text.js";

const HOURS = 4;
const done = signal(null);

async function send(evse, action) {
  const body = { action };
  if (action !== "release") {
    body.until = new Date(now.value.getTime() + HOURS * 3600e3).toISOString().replace(/\.\d+/, "");
  }
  try {
    const path = `/sites/${part(site.value)}/evses/${part(evse)}/override`;
    const answer = await post(path, body);
    refresh.value += 1;
    if (action === "release") {
      done.value = null;
      say(t("The override of {evse} is lifted.", { evse }));
    } else {
      done.value = answer;
    }
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
      onClick=${() => send(evse, active === action ? "release" : action)}
    ><span aria-hidden="true">${sign}</span><span class="wide">${text}</span></button>`;
  return html`<span class="buttons">
    ${button("charge_now", t("Charge now"), "⚡")} ${button("pause", t("Pause"), "❚❚")}
  </span>`;
}

export const label = (action) => ({ charge_now: t("Charge now"), pause: t("Pause") })[action] ?? action;

// What the newest override costs and whom it delays.
export function OverrideEffect() {
  const answer = done.value;
  if (!answer) return null;
  const effect = answer.effect;
  const close = () => (done.value = null);
  const undo = () => {
    close();
    send(answer.evse, "release");
  };
  return html`<${Dialog} title=${`${answer.evse}: ${label(answer.action)}`} onClose=${close}>
    <p>${t("Holds until {time}.", { time: dayClock(answer.until) })}</p>
    ${
      effect
        ? html`<dl class="tiles">
              <div class=${`tile ${effect.cost_change > 0.005 ? "warn" : ""}`}>
                <dt>${t("Cost")}</dt>
                <dd><span class="figure">${signed(effect.cost_change)} ${effect.currency}</span></dd>
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
            ${effect.delayed.length === 0 && html`<p>${t("It delays nobody.")}</p>`}
            <ul class="rows">
              ${effect.delayed.map(
                (v) => html`<li>
                  <strong>${v.evse}</strong>${" "}
                  ${t("ready at {after} instead of {before}", {
                    after: clock(v.ready_after),
                    before: clock(v.ready_before),
                  })}${v.unmet_after_kwh > v.unmet_before_kwh &&
                  html`, ${t("short of {energy}", { energy: kwh(v.unmet_after_kwh) })}`}
                </li>`,
              )}
            </ul>`
        : html`<p>${t("The effect was not computed: too many ask at once.")}</p>`
    }
    <p class="actions">
      <button type="button" onClick=${undo}>${t("Undo")}</button>
      <button type="button" class="main" onClick=${close}>${t("Keep")}</button>
    </p>
  <//>`;
}

const signed = (amount) => `${amount >= 0 ? "+" : "−"}${number(Math.abs(amount), 2)}`;
