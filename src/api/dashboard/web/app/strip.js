// A row of time as one gradient: the browser draws 500 of them without effort, and the colours
// follow the theme because they are CSS variables.
import { html, useEffect, useRef, useState } from "./lib.js";

// The value of a list of steps [[slot, value], ..] at a slot.
export function at(steps, slot) {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle][0] <= slot) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? steps[low - 1][1] : null;
}

export function gradient(steps, slots, shade) {
  if (steps.length === 0) return "none";
  const stops = steps.map(([slot, value], index) => {
    const end = steps[index + 1]?.[0] ?? slots;
    const from = ((slot / slots) * 100).toFixed(3);
    const to = ((end / slots) * 100).toFixed(3);
    return `${shade(value)} ${from}% ${to}%`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

// More power, more colour.
export const powerShade = (max) => (kw) =>
  kw > 0 ? `color-mix(in srgb, var(--charge) ${Math.round(25 + 75 * Math.min(1, kw / max))}%, var(--cell))` : "var(--cell)";

// Only what is on the screen or near it is painted: 500 gradients are dear to parse.
const watched = new WeakMap();
const watcher = new IntersectionObserver(
  (entries) => entries.forEach((entry) => watched.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: "400px" },
);

// A strip that can be clicked and walked with the arrow keys; `tell(slot)` is what it says.
export function Strip({ label, background, slots, marks = [], selected, onSelect, tell }) {
  const [slot, setSlot] = useState(0);
  const [near, setNear] = useState(false);
  const element = useRef(null);
  useEffect(() => {
    const strip = element.current;
    watched.set(strip, setNear);
    watcher.observe(strip);
    return () => watcher.unobserve(strip);
  }, []);
  const choose = (next) => {
    const bounded = Math.max(0, Math.min(slots - 1, next));
    setSlot(bounded);
    onSelect(bounded);
  };
  const onKeyDown = (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 12, PageUp: -12 };
    if (event.key in steps) choose(slot + steps[event.key]);
    else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(slots - 1);
    else if (event.key === "Enter" || event.key === " ") choose(slot);
    else return;
    event.preventDefault();
  };
  const onClick = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    choose(Math.floor(((event.clientX - box.left) / box.width) * slots));
  };
  const place = (position) => ({ left: `${Math.min(100, Math.max(0, (position / slots) * 100))}%` });
  return html`<div
    ref=${element}
    class="strip"
    role="slider"
    tabindex="0"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax=${slots - 1}
    aria-valuenow=${slot}
    aria-valuetext=${near ? tell(slot) : undefined}
    style=${{ backgroundImage: near ? background() : "none" }}
    onClick=${onClick}
    onKeyDown=${onKeyDown}
  >
    ${near && marks.map((m) => html`<span class=${`mark ${m.kind}`} style=${place(m.slot)} title=${m.title}></span>`)}
    ${selected !== null &&
    html`<span class="selected" style=${{ ...place(selected), width: `${100 / slots}%` }}></span>`}
  </div>`;
}
