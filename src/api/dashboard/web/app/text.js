// Words: English is in the code, German beside it.
import { language } from "./store.js";
import { number } from "./time.js";
import german from "./de.js";

// What was shown in German and has no German: the browser test wants it empty.
export const missing = new Set();

export function t(text, values) {
  const own = language.value === "de" ? german[text] : text;
  if (own === undefined && text) missing.add(text);
  let shown = own ?? text;
  if (values) {
    for (const [name, value] of Object.entries(values)) shown = shown.replaceAll(`{${name}}`, value);
  }
  return shown;
}

// Words of the service that are translated as they are, found here by whoever looks for them.
export const WORDS = [
  "optimal", "clipped", "time limit", "proportional share", // how a plan came about
  "unregistered", "invited", "registering", "registered", "current", "stale", // partners
  "confirmed", "confirmed or sent", "hardware", "uncontrollable", "free", // what an EVSE counts as
  "default", "transaction", "connected", "offline", "waiting", // stations
  "live", "scheduled", "expired", "fresh", "failed", // signals
  "received", "planned", "applied", "measured", "closed", // how far a signal is
  "accepted", "partially", "rejected", "withdrawn", "active", "measuring", // dispatches
  "ok", "estimated", "missing", // how well it was measured
  "result", "active profile", "measured drop", "trusted sync accept", // why a limit counts as applied
];

// What the service calls things, in the reader's words.
const REASONS = {
  cheap_slot: "charges: this is among the cheapest times of its stay",
  deadline: "charges: it must leave in time",
  as_soon_as_possible: "charges at once: nobody said when it leaves",
  cheaper_later: "waits: a later time of its stay costs less",
  circuit_limit: "is held lower by the limit of a circuit",
  signal_limit: "is held lower by a limit from outside",
  minimum_power: "waits: what is left is below its minimum power",
  charged: "has all it asked for",
  not_connected: "no car is there at this time",
  override: "an operator's override",
  expected_arrivals: "leaves room: others are expected to need this time",
  wish: "is kept lower by a wish from outside",
  demand_charge: "waits: more would raise a peak that is paid for",
};
export const reason = (name) => t(REASONS[name] ?? name);

const CAUSES = {
  arrival: "a car came to an EVSE that cannot be limited beforehand",
  limit_cut: "the limit was cut",
  base_load: "other load rose",
  disobedience: "an EVSE does not follow its limit",
  profile_lost: "a limit we relied on does not hold",
  configuration: "the site was changed",
  self_caused: "a command of evenload",
};
export const cause = (name) => t(CAUSES[name] ?? name);

const SOURCES = {
  departure: "departures table",
  preferences: "driver",
  session: "session",
  learned: "learned",
  default: "assumed",
};
export const source = (name) => t(SOURCES[name] ?? name);

const MODES = {
  observe: "observe",
  shadow: "shadow",
  canary: "canary",
  live: "live",
};
export const mode = (name) => t(MODES[name] ?? name);

const ALERTS = {
  excursion_open: "May exceed its limit",
  evse_unsupported: "Cannot be controlled",
  evse_disobedient: "Ignores its limit",
  profile_refused: "Limits refused",
  profile_unanswered: "Limit unanswered",
  partner_stale: "Partner not read back",
  vehicle_short: "Will be short",
  limit_unknown: "No limit known",
  meter_stale: "Site meter silent",
  vehicle_missing: "Not plugged in",
  station_offline: "Charger offline",
  price_late: "Prices end soon",
  source_stale: "A source is silent",
  source_failed: "A source is lost",
};
export const alertTitle = (kind) => t(ALERTS[kind] ?? kind.replaceAll("_", " "));

// What an alert says: the service writes English; the German is made of the same facts.
const GERMAN_ALERTS = {
  excursion_open: ["Am Stromkreis {subject} darf bis zu {kw} zu viel bezogen werden.", "Absenkungen sind unterwegs. Bleibt es so: einen Ladepunkt anhalten oder die Grenze heben."],
  evse_unsupported: ["{subject} lässt sich nicht steuern und zählt voll.", "Beim Ladenetz fragen, ob sich die Steuerung einschalten lässt."],
  evse_disobedient: ["{subject} bezieht mehr als seine Grenze und zählt voll.", "Den Lader prüfen: wendet er Grenzen an, und stimmen seine Phasen?"],
  profile_refused: ["Mehrere Grenzen nacheinander wurden an {subject} nicht angenommen.", "Die letzten Nachrichten mit dem Partner ansehen."],
  profile_unanswered: ["Niemand sagte, ob eine Grenze an {subject} gilt.", "Erreicht der Partner unsere Adresse für seine Antworten? Den Partner prüfen."],
  partner_stale: ["Partner {subject} wurde nicht zurückgelesen: dort wird nichts gehoben.", "Ist er angemeldet und erreichbar? Den Partner prüfen."],
  vehicle_short: ["Dem Fahrzeug an {subject} werden {kw} fehlen.", "Die Abfahrt verlegen, einen anderen Ladepunkt anhalten oder sofort laden."],
  limit_unknown: ["Für den Netzanschluss ist keine Grenze bekannt: es wird nur zugesehen.", "import_limit_kw am obersten Stromkreis setzen."],
  vehicle_missing: ["Für eine eingetragene Abfahrt ist niemand angeschlossen; {kw} werden gebraucht.", "Anschließen, oder die Abfahrt verlegen oder zurückziehen."],
  station_offline: ["Lader {subject} ist nicht verbunden; {kw} bleiben für ihn vorgehalten.", "Strom und Netz prüfen. Inzwischen gelten sein letztes Profil und danach sein Rückfallwert."],
  price_late: ["Die bekannten Preise enden bald; dann werden die des Vortags angenommen.", "Prüfen, was die Preise schickt."],
  source_stale: ["Die Quelle {subject} sagt nichts; was sie ankündigte, gilt weiter.", "Ist ihre Adresse von hier erreichbar und ihr Geheimnis noch richtig?"],
  source_failed: ["Die Quelle {subject} ist verloren; es gilt, was dafür einspringt.", "Ist ihre Adresse von hier erreichbar und ihr Geheimnis noch richtig?"],
  meter_stale: ["Der Standortzähler schweigt; {kw} andere Last werden angenommen.", "Prüfen, was die Zählerwerte schickt."],
};
// Powers and energies as people read them: 4,072 kW, not 4072.000 kW.
const plain = (text) => text.replace(/(\d+\.\d+) (k?Wh?)\b/g, (_, value, unit) => `${number(Number(value), Number(value) < 100 ? 1 : 0)} ${unit}`);

export function alertTexts(alert) {
  const german = language.value === "de" && GERMAN_ALERTS[alert.kind];
  if (!german) return { lang: "en", text: plain(alert.text), action: alert.action };
  const amount = /[\d.]+ k?Wh?/.exec(alert.text)?.[0] ?? "–";
  const filled = german[0].replace("{subject}", alert.subject).replace("{kw}", plain(amount));
  const idle = alert.action.startsWith("Nothing is sent");
  return { lang: "de", text: filled, action: idle ? NOTHING_SENT : german[1] };
}
const NOTHING_SENT = "In dieser Betriebsart wird nichts gesendet: live gehen, damit die Grenze gehalten wird.";

const KINDS = {
  import_limit: "import limit",
  export_limit: "export limit",
  import_fallback: "import fallback",
  export_fallback: "export fallback",
  import_price: "import price",
  export_price: "export price",
  demand_price: "demand price",
  carbon: "carbon intensity",
  base_load: "base load",
  pv: "local generation",
  power_target: "power target",
  min_energy: "minimum energy",
  shed_level: "shed level",
  alert: "message",
};
export const signalKind = (kind) => t(KINDS[kind] ?? kind);

const NOTES = {
  site_configured: "Site described",
  site_removed: "Site removed",
  mode_set: "Mode set",
  session_pending: "Session announced",
  session_active: "Car is charging",
  session_ended: "Car left",
  needs_stated: "Driver stated needs",
  departure_set: "Departure filed",
  departure_removed: "Departure withdrawn",
  signal_set: "Signal came in",
  signal_withdrawn: "Signal withdrawn",
  override_set: "Override",
  override_released: "Override lifted",
  partner_seen: "Partner",
  plan_stored: "New plan",
  profile_sent: "Limit sent",
  profile_cleared: "Limit taken back",
  profile_applied: "Limit applied",
  profile_refused: "Limit refused",
  profile_not_sent: "Limit not sent",
  profile_unanswered: "Limit unanswered",
  excursion_opened: "Above the limit",
  excursion_closed: "Within the limit again",
  restarted: "Service started",
};
export const noteTitle = (kind) => t(NOTES[kind] ?? kind);
export const noteKinds = Object.keys(NOTES);
