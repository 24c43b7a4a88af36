// Times and durations as people read them.

const FORMAT = { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
const UNITS = [[86_400, "day"], [3600, "hour"], [60, "minute"]]; // seconds
const REFRESH_MS = 15_000; // of times from now

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

/** Show an instant in a `<time>` as the time from now, which is kept up to date; `style` is "narrow" or "long". */
export function showAge(element, instant, style = "narrow") {
  element.dateTime = instant;
  element.dataset.age = style;
  element.title = formatted(instant);
  element.textContent = fromNow(instant, style);
}

/** Return the time from now to an instant, like `5m ago` or `in 5 minutes`. */
function fromNow(instant, style) {
  const seconds = (Date.parse(instant) - Date.now()) / 1000;
  const [size, unit] = UNITS.find(([least]) => Math.abs(seconds) >= least) ?? [1, "second"];
  if (unit === "second" && style === "narrow") return "now";
  return new Intl.RelativeTimeFormat(undefined, { style }).format(Math.trunc(seconds / size), unit);
}

setInterval(() => {
  for (const element of document.querySelectorAll("time[data-age]")) {
    const text = fromNow(element.dateTime, element.dataset.age);
    if (text !== element.textContent) element.textContent = text; // or screen readers might repeat it
  }
}, REFRESH_MS);

/** Return a duration like `5 min 30 s`; an empty text if it is null. */
export function duration(milliseconds) {
  if (milliseconds === null) return "";
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`).join(" ");
}
