// Pieces that several pages use.
import { html, signal, useEffect, useRef, useState } from "./lib.js";
import { t } from "./text.js";

// Said to screen readers and shown for a while.
export const said = signal(null);
let saying = null;
export function say(text, kind = "good") {
  said.value = { text, kind };
  clearTimeout(saying);
  saying = setTimeout(() => (said.value = null), 8000);
}

export function Said() {
  const message = said.value;
  return html`<div class="said" role="status" aria-live="polite">
    ${message && html`<p class=${`toast ${message.kind}`}>${message.text}</p>`}
  </div>`;
}

export function Page({ title, lead, actions, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · evenload`;
  }, [title]);
  return html`<header class="page-head">
      <div>
        <h1 ref=${heading} tabindex="-1">${title}</h1>
        ${lead && html`<p class="lead">${lead}</p>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}`;
}

export function Card({ title, aside, children, ...rest }) {
  return html`<section class="card" ...${rest}>
    ${title && html`<div class="card-head"><h2>${title}</h2>${aside}</div>`} ${children}
  </section>`;
}

export function Tile({ label, value, note, kind, href }) {
  return html`<div class=${`tile ${kind ?? ""}`}>
    <dt>${href ? html`<a href=${href}>${label}</a>` : label}</dt>
    <dd>
      <span class="figure">${value}</span>
      ${note && html`<span class="note">${note}</span>`}
    </dd>
  </div>`;
}

// A state in colour, sign and word: never in colour alone.
const SIGNS = { good: "●", warn: "▲", bad: "■", idle: "○" };
export const Pill = ({ kind = "idle", children }) =>
  html`<span class=${`pill ${kind}`}><span aria-hidden="true">${SIGNS[kind]}</span> ${children}</span>`;

export function Waiting({ of: { data, error } }) {
  if (error && !data) {
    return html`<p class="problem" role="alert">${t("This could not be read:")} ${error.message}</p>`;
  }
  return html`<p class="quiet">${t("Loading …")}</p>`;
}

export const Empty = ({ children }) => html`<p class="quiet">${children}</p>`;

// Columns: { head, cell(row), number, wide, header }. Of more than `most` rows the rest is one
// click away: what matters stands first, and a table of 500 is dear to draw twice a second.
const MOST_ROWS = 60;

export function Table({ caption, columns, rows: all, keyOf, rowClass, most = MOST_ROWS }) {
  const [whole, setWhole] = useState(false);
  const rows = whole ? all : all.slice(0, most);
  const rest = all.length > rows.length && html`<p><button type="button" onClick=${() => setWhole(true)}>${t("Show all {count}", { count: all.length })}</button></p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class="unseen">${caption}</caption>
      <thead>
        <tr>
          ${columns.map(
            (c) => html`<th scope="col" class=${classOf(c)}>${c.head || html`<span class="unseen">${c.label}</span>`}</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, index) => html`<tr key=${keyOf ? keyOf(row) : index} class=${rowClass?.(row) ?? ""}>
            ${columns.map((c) =>
              c.header
                ? html`<th scope="row" class=${classOf(c)}>${c.cell(row)}</th>`
                : html`<td class=${classOf(c)}>${c.cell(row)}</td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>
  ${rest}`;
}
const classOf = (c) => `${c.number ? "number" : ""} ${c.wide ? "wide" : ""}`.trim();

// Faults of a refused request, with where they are.
export function Problem({ error }) {
  if (!error) return null;
  return html`<div class="problem" role="alert">
    <p>${error.message}</p>
    ${error.faults?.length > 0 &&
    html`<ul>
      ${error.faults.slice(0, 12).map((f) => html`<li><code>${f.pointer || "/"}</code> ${f.detail}</li>`)}
    </ul>`}
    ${error.problem?.checks && html`<${Checks} rows=${error.problem.checks} />`}
  </div>`;
}

export function Checks({ rows }) {
  return html`<ol class="checks">
    ${rows.map(
      (row) => html`<li class=${row.ok ? "good" : "bad"}>
        <span class="check-name">${row.ok ? "✓" : "✗"} ${row.name}</span>
        <span class="check-detail">${row.detail}</span>
      </li>`,
    )}
  </ol>`;
}

export function Field({ label, hint, children }) {
  return html`<label class="field"><span>${label}</span>${children}${
    hint && html`<small>${hint}</small>`
  }</label>`;
}

// Something to copy: a password, an address.
export function Copy({ text, label }) {
  const copy = () => navigator.clipboard?.writeText(text).then(() => say(t("Copied.")));
  return html`<code class="break">${text}</code> ${navigator.clipboard && html`<button type="button" class="small" onClick=${copy} aria-label=${label}>${t("Copy")}</button>`}`;
}

// A dialog of the browser's own: focus stays inside, Escape closes it.
export function Dialog({ title, onClose, children, wide }) {
  const box = useRef(null);
  useEffect(() => {
    const dialog = box.current;
    if (!dialog.open) dialog.showModal();
  }, []);
  return html`<dialog ref=${box} class=${wide ? "broad" : ""} onClose=${onClose} aria-labelledby="dialog-title">
    <div class="card-head">
      <h2 id="dialog-title">${title}</h2>
      <button type="button" class="plain" onClick=${() => box.current.close()}>${t("Close")}</button>
    </div>
    ${children}
  </dialog>`;
}

// Offers rows as a file; separators as spreadsheets in the reader's country expect them.
export function download(name, header, rows) {
  const quote = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    // A cell that begins like a formula is not to be run by a spreadsheet.
    const safe = /^[=+@\t]|^-[^\d]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const text = [header, ...rows].map((row) => row.map(quote).join(",")).join("\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
