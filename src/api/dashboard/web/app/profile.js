// Charging profiles of stations, as they are shown: limits are tenths of ampere or watt.

// The period that holds at an instant (ms): its limit in tenths, null before and after.
export function holdsNow(profile, at) {
  const second = (at - Date.parse(profile.start)) / 1e3;
  if (second < 0 || (profile.duration_s !== null && second >= profile.duration_s)) return null;
  let limit = null;
  for (const period of profile.periods) {
    if (period.start_s > second) break;
    limit = period.limit;
  }
  return limit;
}

// Tenths of the profile's unit as kW at this EVSE's voltage and phases.
export function kwOf(evse, profile, tenths) {
  if (tenths === null || tenths === undefined) return null;
  if (profile.unit === "W") return tenths / 10 / 1e3;
  const phases = evse.phases?.length || evse.phase_count || 3;
  return ((tenths / 10) * (evse.voltage_v ?? 230) * phases) / 1e3;
}

// The periods with instants, for a table.
export function stepsOf(profile) {
  const start = Date.parse(profile.start);
  return profile.periods.map((p) => ({ at: new Date(start + p.start_s * 1e3), value: p.limit / 10 }));
}
