// What all pages share: who is signed in, which site is shown, and what the service says live.
import { computed, effect, signal, useEffect, useRef, useState } from "./lib.js";
import { ApiError, get, useCsrfToken } from "./api.js";

const kept = (name, otherwise) => {
  try {
    return localStorage.getItem(`evenload.${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
};
const keep = (name, value) => {
  try {
    localStorage.setItem(`evenload.${name}`, value);
  } catch {
    // A browser that keeps nothing is fine.
  }
};

export const me = signal(null); // null = not known yet
export const sites = signal([]);
export const site = signal(kept("site", ""));
export const language = signal(kept("language", navigator.language.startsWith("de") ? "de" : "en"));
export const theme = signal(kept("theme", "auto"));
const dark = matchMedia("(prefers-color-scheme: dark)");
export const darkDevice = signal(dark.matches);
dark.addEventListener("change", (event) => (darkDevice.value = event.matches));
export const route = signal("today");
export const live = signal(null); // the newest `state` message
export const notes = signal([]); // newest first, of this visit
export const connection = signal("off"); // off, live, lost
export const refresh = signal(0); // counted up when pages should read anew

const RANK = { viewer: 1, operator: 2, admin: 3 };
const rank = computed(() => RANK[me.value?.role] ?? 0);
export const canOperate = computed(() => rank.value >= 2);
export const isAdmin = computed(() => rank.value >= 3);

export const siteInfo = computed(() => sites.value.find((s) => s.site === site.value) ?? null);
export const timeZone = signal("UTC");
export const currency = signal("EUR");

export async function loadMe() {
  const answer = await get("/login");
  useCsrfToken(answer.csrf_token ?? null);
  me.value = answer;
  if (answer.signed_in) await loadSites();
}

export async function loadSites() {
  const answer = await get("/sites");
  sites.value = answer.sites;
  if (!answer.sites.some((s) => s.site === site.value)) {
    site.value = answer.sites[0]?.site ?? "";
  }
}

effect(() => keep("site", site.value));
effect(() => {
  keep("language", language.value);
  document.documentElement.lang = language.value;
});
effect(() => {
  keep("theme", theme.value);
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

// The service's clock: in the demo it runs faster than ours.
export const now = computed(() => (live.value ? new Date(live.value.at) : new Date()));

// Follows the chosen site. Pages read anew at most every two seconds.
let source = null;
let pending = null;
const REFRESH_MS = 2000;
const MAX_NOTES = 500;

function wantRefresh() {
  pending ??= setTimeout(() => {
    pending = null;
    refresh.value += 1;
  }, REFRESH_MS);
}

effect(() => {
  const name = site.value;
  const signedIn = me.value?.signed_in;
  source?.close();
  source = null;
  live.value = null;
  notes.value = [];
  if (!name || !signedIn) {
    connection.value = "off";
    return;
  }
  get(`/sites/${encodeURIComponent(name)}`)
    .then((info) => {
      timeZone.value = info.time_zone;
      currency.value = info.currency;
    })
    .catch(() => {});
  source = new EventSource(`/api/v1/events?site=${encodeURIComponent(name)}`);
  source.onopen = () => (connection.value = "live");
  source.onerror = () => (connection.value = "lost");
  source.addEventListener("state", (message) => {
    live.value = JSON.parse(message.data);
    connection.value = "live";
    wantRefresh();
  });
  source.addEventListener("note", (message) => {
    notes.value = [JSON.parse(message.data), ...notes.value].slice(0, MAX_NOTES);
  });
  source.addEventListener("resync", () => {
    notes.value = [];
    refresh.value += 1;
  });
});

// Reads a path of the API and reads it again when something is new. `slow`: at most every 15 s, or at
// once when `when` changes. `every`: each so many milliseconds, for what no event tells of.
export function useData(path, { slow = false, fixed = false, when = null, every = null } = {}) {
  const [state, setState] = useState({ data: null, error: null });
  const last = useRef({ path: null, at: 0 });
  const version = fixed ? 0 : refresh.value;
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!every || !path) return undefined;
    const timer = setInterval(() => setTurn((n) => n + 1), every);
    return () => clearInterval(timer);
  }, [path, every]);
  useEffect(() => {
    if (!path) return undefined;
    const fresh = last.current.path !== path || last.current.turn !== turn || last.current.when !== when;
    const since = Date.now() - last.current.at;
    if (!fresh && slow && since < 15000) return undefined;
    // One question at a time: a slow answer is waited for, not asked for again.
    if (!fresh && last.current.pending && since < 10000) return undefined;
    const asked = { path, turn, when, at: Date.now(), pending: true };
    last.current = asked;
    let gone = false;
    get(path)
      .then((data) => !gone && setState({ data, error: null, path }))
      .catch((error) => {
        if (error instanceof ApiError && error.status === 401) {
          me.value = { signed_in: false };
        }
        if (!gone) setState((before) => ({ ...before, error }));
      })
      .finally(() => (asked.pending = false));
    // An answer to an older question of the same path is still news.
    return () => {
      if (last.current.path !== path) gone = true;
    };
  }, [path, version, turn, when]);
  const current = state.path === path ? state.data : null;
  return { data: current, error: state.error, reload: () => setTurn((n) => n + 1) };
}
