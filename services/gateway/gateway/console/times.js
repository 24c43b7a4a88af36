// Times and durations as people read them.

const FORMAT = { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };

/** Show an instant in a `<time>`, in the time zone of the browser; nothing if it is null. */
export function showTime(element, instant) {
  element.dateTime = instant ?? "";
  element.textContent = instant ? formatted(instant) : "";
}

/** Return an instant in a time zone, by default in that of the browser, which may not know all zones of the server. */
export function formatted(instant, timeZone) {
  try {
    return new Intl.DateTimeFormat(undefined, { ...FORMAT, timeZone }).format(new Date(instant));
  } catch {
    return `${instant} (UTC)`;
  }
}

/** Return a duration like `5 min 30 s`; an empty text if it is null. */
export function duration(milliseconds) {
  if (milliseconds === null) return "";
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`).join(" ");
}
