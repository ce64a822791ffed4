// Load against limit over time, drawn by uPlot in the colours of the theme.
import { html, useEffect, useRef } from "./lib.js";
import uPlot from "../vendor/uplot.js";
import { clock, dayClock, number } from "./time.js";
import { darkDevice, language, theme, timeZone } from "./store.js";
import { t } from "./text.js";

// Letters and lines as large as the page's: on a wall screen everything grows.
const scale = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Series: { label, values, colour (name of a CSS variable), fill, dash, step, scale, width }.
export function Chart({ times, series, height = 300, label, now }) {
  const place = useRef(null);
  const plot = useRef(null);
  const look = `${theme.value} ${darkDevice.value} ${language.value} ${timeZone.value} ${series.map((s) => s.label)}`;
  const data = [times, ...series.map((s) => s.values)];
  const nowRef = useRef(now);
  nowRef.current = now;

  useEffect(() => {
    const stepped = uPlot.paths.stepped({ align: 1 });
    const big = scale();
    const tall = Math.round(height * big);
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: big },
      ticks: { show: false },
      font: `${Math.round(12 * big)}px system-ui, sans-serif`,
      gap: 5 * big,
    };
    const hasPrice = series.some((s) => s.scale === "price");
    const options = {
      width: place.current.clientWidth,
      height: tall,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), timeZone.value),
      cursor: { points: { size: 6 }, drag: { x: true, y: false } },
      legend: { live: true },
      scales: { kw: { range: (u, min, max) => [0, Math.max(10, max * 1.12)] }, price: { range: priceRange } },
      axes: [
        { ...axis, values: (u, splits) => splits.map((s) => clock(s * 1e3)), space: 60 * big, size: 40 * big },
        { ...axis, scale: "kw", size: 56 * big, values: (u, splits) => splits.map((s) => `${s}`), label: "kW", labelSize: 18 * big, labelFont: axis.font },
        ...(hasPrice
          ? [{ ...axis, scale: "price", side: 1, size: 52 * big, grid: { show: false }, values: (u, splits) => splits.map((s) => number(s, 2)) }]
          : []),
      ],
      series: [
        { label: t("Time"), value: (u, at) => (at ? dayClock(at * 1e3) : "–") },
        ...series.map((s) => ({
          label: s.label,
          scale: s.scale ?? "kw",
          stroke: colour(s.colour),
          fill: s.fill ? `color-mix(in srgb, ${colour(s.colour)} ${s.fill}%, transparent)` : undefined,
          width: (s.width ?? 1.5) * big,
          dash: s.dash,
          paths: s.step ? stepped : undefined,
          points: { show: false },
          spanGaps: false,
          value: (u, v) => (v === null || v === undefined ? "–" : number(v, s.scale === "price" ? 3 : 1)),
        })),
      ],
      hooks: {
        draw: [
          (u) => {
            if (!nowRef.current) return;
            const x = u.valToPos(nowRef.current / 1e3, "x", true);
            const { top, height: depth } = u.bbox;
            u.ctx.save();
            u.ctx.strokeStyle = colour("--ink");
            u.ctx.lineWidth = devicePixelRatio;
            u.ctx.setLineDash([4, 4]);
            u.ctx.beginPath();
            u.ctx.moveTo(x, top);
            u.ctx.lineTo(x, top + depth);
            u.ctx.stroke();
            u.ctx.restore();
          },
        ],
      },
    };
    plot.current = new uPlot(options, data, place.current);
    const resized = new ResizeObserver(() => {
      const width = place.current?.clientWidth;
      if (width && plot.current) plot.current.setSize({ width, height: tall });
    });
    resized.observe(place.current);
    return () => {
      resized.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [look, height]);

  useEffect(() => {
    plot.current?.setData(data);
  });
  return html`<figure class="chart" role="img" aria-label=${label}><div ref=${place}></div></figure>`;
}

// Prices lie in the lower part, out of the way of the powers.
function priceRange(u, min, max) {
  if (min === null || min === undefined) return [0, 1];
  const low = Math.min(0, min);
  return [low, low + Math.max(0.01, max - low) * 2.2];
}
