/**
 * Times in the visitor's own zone and language: always written anew from `datetime`, so a change may put the
 * server's words back. `write(element, text)` is for whoever else writes words into the page.
 */
const page = document.documentElement.lang;
const language = navigator.languages.find((own) => own.split("-")[0] === page) ?? page;
const { hourCycle } = new Intl.DateTimeFormat(navigator.language, { hour: "numeric" }).resolvedOptions();
const hour = hourCycle < "h2" ? "numeric" : "2-digit";
const clockTime = { hour, minute: "2-digit", hourCycle }; // as the visitor counts hours, in any language
const instant = { day: "numeric", month: "short", year: "numeric", ...clockTime };
const local = new Intl.DateTimeFormat(language, instant);
const universal = new Intl.DateTimeFormat(language, { ...instant, timeZone: "UTC", timeZoneName: "short" });
const isUniversal = local.resolvedOptions().timeZone === "UTC";
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }); // a day has no zone
const distance = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
const counts = units.map(([unit]) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }));

export const clock = new Intl.DateTimeFormat(language, clockTime);

/** `3 minutes ago`; nothing below a minute is worth counting. */
function relative(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", Infinity];
  return size === Infinity ? "just now" : distance.format(Math.trunc(seconds / size), unit);
}

/** `14:05, 1 hr 50 min`: the day too, when it was another; at most two units. */
function since(moment, whole) {
  let minutes = Math.max(0, Math.floor((Date.now() - moment) / 60_000));
  const lasted = units.flatMap(([, size], index) => {
    const count = Math.floor((minutes * 60) / size);
    minutes -= (count * size) / 60;
    return count ? [counts[index].format(count)] : [];
  });
  const isToday = moment.toDateString() === new Date().toDateString();
  return [isToday ? clock.format(moment) : whole, lasted.slice(0, 2).join(" ")].filter(Boolean).join(", ");
}

function writeTime(time) {
  const moment = new Date(time.dateTime);
  if (!time.dateTime.includes("T")) return write(time, day.format(moment));
  const [here, there] = [local.format(moment), universal.format(moment)];
  const isCounted = "relative" in time.dataset || "since" in time.dataset;
  write(time, "since" in time.dataset ? since(moment, here) : isCounted ? relative(moment) : here);
  time.title = isCounted && !isUniversal ? `${here} (${there})` : there;
}

/** Writing the same again would disturb a selection, and cost a layout. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const writeTimes = () => document.querySelectorAll("time[datetime]").forEach(writeTime);

const zone = document.getElementById("zone");
if (zone) zone.textContent = local.resolvedOptions().timeZone;
writeTimes();
