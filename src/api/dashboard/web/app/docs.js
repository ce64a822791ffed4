// The OpenAPI document as a page to read: nothing is loaded from elsewhere.
import { html, render } from "./lib.js";

const document_ = await (await fetch("/api/openapi.json")).json();

function Operation({ path, method, operation }) {
  const body = operation.requestBody?.content;
  const schema = body?.["application/json"]?.schema?.$ref?.split("/").pop();
  const example = `curl -X ${method.toUpperCase()} ${location.origin}${path}${
    operation.security?.length ? ' -H "Authorization: Bearer $TOKEN"' : ""
  }${body ? ` -H "Content-Type: ${Object.keys(body)[0]}" -d @body.json` : ""}`;
  return html`<details class="card" id=${operation.operationId}>
    <summary><code><b>${method.toUpperCase()}</b> ${path}</code> ${operation.summary}</summary>
    ${operation.description && html`<p>${operation.description}</p>`}
    ${operation.parameters.length > 0 &&
    html`<ul>${operation.parameters.map(
      (p) => html`<li><code>${p.name}</code> (${p.in}${p.required ? ", required" : ""}): ${p.schema.format ?? p.schema.type ?? (p.schema.enum ?? []).join(", ")}</li>`,
    )}</ul>`}
    ${schema && html`<p>Body: <a href=${`#schema-${schema}`}>${schema}</a>${body["text/csv"] && ", or text/csv with the same names in its header"}</p>`}
    <p>Answers: ${Object.entries(operation.responses).map(([status, r], i) => html`${i > 0 && "; "}<code>${status}</code> ${r.description}`)}</p>
    <pre tabindex="0">${example}</pre>
  </details>`;
}

function Docs() {
  const operations = Object.entries(document_.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return html`<h1>evenload API ${document_.info.version}</h1>
    <p>${document_.info.description}</p>
    <p>For machines: <a href="/api/openapi.json">/api/openapi.json</a>. <a href="/">Dashboard</a></p>
    <h2>Calls</h2>
    ${operations.map((o) => html`<${Operation} ...${o} />`)}
    <h2>Bodies</h2>
    ${Object.entries(document_.components.schemas).map(
      ([name, schema]) => html`<details class="card" id=${`schema-${name}`}><summary><code>${name}</code></summary><pre tabindex="0">${JSON.stringify(schema, null, 2)}</pre></details>`,
    )}`;
}

render(html`<${Docs} />`, document.getElementById("docs"));
