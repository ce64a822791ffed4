// Calls of the REST API with the browser's session.

let csrfToken = null;

export function useCsrfToken(token) {
  csrfToken = token;
}

// An answer that is not 2xx: the problem document of the service.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `HTTP ${status}`);
    this.status = status;
    this.faults = problem?.errors ?? [];
    this.problem = problem;
  }
}

export async function call(method, path, body, options = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = options.type ?? "application/json";
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : options.type ? body : JSON.stringify(body),
    credentials: "same-origin",
    signal: options.signal,
  });
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { detail: text.slice(0, 200) };
  }
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (path, options) => call("GET", path, undefined, options);
export const put = (path, body) => call("PUT", path, body);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

export const part = encodeURIComponent;
