// Times in the site's time zone, numbers in the reader's language.
import { language, timeZone } from "./store.js";

const formats = new Map();
function format(kind, options) {
  const key = `${kind} ${language.value} ${timeZone.value}`;
  if (!formats.has(key)) {
    const locale = language.value === "de" ? "de-DE" : "en-GB";
    formats.set(key, new Intl.DateTimeFormat(locale, { timeZone: timeZone.value, ...options }));
  }
  return formats.get(key);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

export const clock = (at) => (at ? format("clock", CLOCK).format(new Date(at)) : "–");
export const clockSeconds = (at) =>
  at ? format("seconds", { ...CLOCK, second: "2-digit" }).format(new Date(at)) : "–";
export const dayClock = (at) =>
  at ? format("day", { weekday: "short", ...CLOCK }).format(new Date(at)) : "–";
export const dateClock = (at) =>
  at ? format("date", { day: "2-digit", month: "short", ...CLOCK }).format(new Date(at)) : "–";
export const longDate = (at) =>
  format("long", { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(
    new Date(at),
  );

export function number(value, digits = 1) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const locale = language.value === "de" ? "de-DE" : "en-GB";
  return value.toLocaleString(locale, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
const withUnit = (unit) => (value, digits = 1) =>
  Number.isFinite(value) ? `${number(value, digits)} ${unit}` : "–";
export const kw = withUnit("kW");
export const kwh = withUnit("kWh");

// An amount of money; what rounds to nothing has no sign.
export const money = (amount) => (Number.isFinite(amount) ? number(Math.abs(amount) < 0.005 ? 0 : amount, 2) : "–");

// A span in words: "2 h 05", "12 min", "-8 min".
export function span(ms) {
  if (!Number.isFinite(ms)) return "–";
  const sign = ms < 0 ? "−" : "";
  const minutes = Math.round(Math.abs(ms) / 60000);
  if (minutes < 60) return `${sign}${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${sign}${Math.round(hours / 24)} d`;
  return `${sign}${hours} h ${String(minutes % 60).padStart(2, "0")}`;
}
export function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return span(seconds * 1000);
}

// The instant of a wall-clock time in the site's time zone. Where the clock is set forward, the
// instant after the gap.
export function instantOf(year, month, day, hour, minute) {
  const wanted = Date.UTC(year, month - 1, day, hour, minute);
  let guess = wanted;
  for (let turn = 0; turn < 3; turn += 1) {
    const shown = wallClock(new Date(guess));
    const off = wanted - shown;
    if (off === 0) break;
    guess += off;
  }
  return new Date(guess);
}
function wallClock(at) {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", {
      timeZone: timeZone.value,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      ...CLOCK,
    })
      .formatToParts(at)
      .map((p) => [p.type, Number(p.value)]),
  );
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute);
}
export function localDay(at) {
  const shown = new Date(wallClock(at));
  return [shown.getUTCFullYear(), shown.getUTCMonth() + 1, shown.getUTCDate()];
}
export function localInput(at) {
  return new Date(wallClock(new Date(at))).toISOString().slice(0, 16);
}
