// Points in time and how long things took, for people: on the viewer's clock, and on the job's
// where that is another.

import { h } from "./dom.js";

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const formats = new Map();

// Sweden writes dates as ISO 8601 does.
function format(zone, seconds) {
  const key = `${zone} ${seconds}`;
  if (!formats.has(key)) {
    const options = { dateStyle: "short", timeStyle: seconds ? "medium" : "short", timeZone: zone };
    let made;
    try {
      made = new Intl.DateTimeFormat("sv-SE", options);
    } catch {
      // A zone that this browser does not know.
      made = null;
    }
    formats.set(key, made);
  }
  return formats.get(key);
}

const today = () => format(HERE, false).format(new Date()).slice(0, 10);

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// Within half a year a day has one meaning, whatever year it is in.
const NEAR = 182 * 86400000;

/** On the viewer's clock: of today the time, of this year and of days that are near the day and the time, of others the date. */
export function clock(at, seconds = false) {
  const text = format(HERE, seconds).format(new Date(at));
  const now = today();
  if (text.startsWith(now)) return text.slice(11);
  const day = `${Number(text.slice(8, 10))} ${MONTHS[Number(text.slice(5, 7)) - 1]}`;
  if (text.startsWith(now.slice(0, 4)) || Math.abs(new Date(at) - Date.now()) < NEAR) return `${day} ${text.slice(11)}`;
  return seconds ? text : `${day} ${text.slice(0, 4)}`;
}

/** On the clock of a zone, if it says something else than the viewer's. */
function there(at, zone) {
  if (!zone || zone === HERE) return null;
  const [mine, its] = [format(HERE, false), format(zone, false)];
  if (!its) return null;
  const [shown, other] = [mine.format(new Date(at)), its.format(new Date(at))];
  if (shown === other) return null;
  if (shown.slice(0, 10) === other.slice(0, 10)) return other.slice(11);
  return `${new Intl.DateTimeFormat("en-GB", { weekday: "short", timeZone: zone }).format(new Date(at))} ${other.slice(11)}`;
}

/** A time as an element: the viewer's, then the zone's. */
export function when(at, zone, seconds = false) {
  if (!at) return h("span", { class: "quiet" }, "–");
  const other = there(at, zone);
  const exact = `${format(HERE, true).format(new Date(at))} ${HERE}`;
  return h("time", { datetime: at, title: exact }, clock(at, seconds), other && h("span", { class: "quiet" }, ` · ${other} ${short(zone)}`));
}

const short = (zone) => zone.slice(zone.lastIndexOf("/") + 1).replaceAll("_", " ");

/** Seconds, in the two greatest units that say something. */
export function duration(seconds) {
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let left = Math.round(seconds);
  const parts = [];
  for (const [size, name] of steps) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) parts.push(`${count} ${name}`);
    if (parts.length === 2 || (parts.length === 1 && !count)) break;
  }
  return parts.join(" ");
}

export const between = (from, to) => (new Date(to ?? Date.now()) - new Date(from)) / 1000;

/** How long a run or a unit has taken, or has been taking. */
export const took = (it) => (it.started_at ? duration(between(it.started_at, it.finished_at)) : "–");

/** How long ago, or in how long. */
export function ago(at) {
  const seconds = between(at);
  const far = Math.abs(seconds);
  const text = far < 60 ? "a minute" : duration(far - (far % 60)).split(" ").slice(0, 2).join(" ");
  if (far < 60) return seconds < 0 ? "in a minute" : "just now";
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}
