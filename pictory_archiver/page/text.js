// Words, numbers and dates for a reader; and texts made ready for the search.

const UNITS = ["Bytes", "kB", "MB", "GB", "TB"];

/** A text without what a search does not care for: NFKD, no marks, upper case. `filters.fold` of the program is the same.
 * @param {string} text */
function fold(text) {
  // eslint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text.toUpperCase();
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toUpperCase();
}

/** The words of a search as it is typed, folded; what stands in "double quotes" is one.
 * @param {string} text @returns {string[]} */
function wordsOf(text) {
  const found = [...text.matchAll(/"([^"]*)"?|(\S+)/g)];
  return found.map((match) => fold(match[1] || match[2] || "")).filter((word) => word.trim());
}

/** @param {number} bytes */
function sizeInWords(bytes) {
  let unit = 0;
  while (bytes >= 1000 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit ? bytes.toFixed(1) : bytes} ${UNITS[unit]}`;
}

/** @param {number} seconds */
function secondsInWords(seconds) {
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  return clock(seconds);
}

/** @param {number} seconds `1:05` */
function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} count @param {string} one @param {string} [many] */
function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/** A date as the archive's folders have it, for a reader. @param {string} day `2026-04-09` @param {object} how */
function dayInWords(day, how) {
  const [year, month, date] = day.split("-").map(Number);
  const moment = new Date(Date.UTC(year, month - 1, date || 1));
  return moment.toLocaleDateString(undefined, { timeZone: "UTC", ...how });
}

const monthInWords = (/** @type {string} */ month) =>
  month ? dayInWords(month, { year: "numeric", month: "long" }) : "Without a date";

const fullDayInWords = (/** @type {string} */ day) =>
  day ? dayInWords(day, { weekday: "long", year: "numeric", month: "long", day: "numeric" }) : "Without a date";

/** How long ago a moment is. @param {Date} moment */
function agoInWords(moment) {
  const seconds = (Date.now() - moment.getTime()) / 1000;
  const steps = [[31_557_600, "year"], [2_629_800, "month"], [86_400, "day"], [3_600, "hour"], [60, "minute"]];
  const [size, unit] = steps.find(([each]) => seconds >= each) || [60, "minute"];
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(-Math.floor(Math.max(seconds, 0) / size), unit);
}

/** @param {Date} moment @param {string} timeZone */
function momentInWords(moment, timeZone) {
  const how = { dateStyle: "long", timeStyle: "short", timeZone };
  try {
    return `${moment.toLocaleString(undefined, how)} (${timeZone})`;
  } catch {
    return moment.toISOString();
  }
}

/** The URL of a file of the archive, relative to this page. @param {string} path from the archive's root */
function urlOf(path) {
  return `./${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** The path of a file as it is typed on this computer; over HTTP that within the archive. @param {string} path */
function localPathOf(path) {
  const url = new URL(urlOf(path), document.baseURI);
  if (url.protocol !== "file:") return path;
  const local = decodeURIComponent(url.pathname);
  const drive = /^\/[A-Za-z]:\//.test(local);
  if (url.host) return `\\\\${url.host}${local.replaceAll("/", "\\")}`;
  return drive ? local.slice(1).replaceAll("/", "\\") : local;
}
