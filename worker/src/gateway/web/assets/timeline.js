// A day back and a day ahead on one axis: what became of runs, and what comes due. Every bar has
// its words and leads to what it stands for.

import { h, fill } from "./dom.js";
import { clock } from "./time.js";
import { to } from "./router.js";

// From the base line up, where one of thousands is still to be seen.
const STATES = ["failed", "lost", "skipped", "cancelled", "queued", "running", "succeeded"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const narrow = matchMedia("(max-width: 40rem)");

/** Seconds to a bar: it must be wide enough to be hit. */
export const step = () => (narrow.matches ? 3600 : 1800);

export const sum = (runs) => STATES.reduce((all, state) => all + runs[state], 0);

/** `4 failed, 308 succeeded`: what there is of each state, what is bad first. */
export const parts = (runs, states = STATES) => states.filter((state) => runs[state]).map((state) => `${runs[state].toLocaleString("en")} ${state}`).join(", ");

export const counted = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;

/** A round number that is not below, and half of which is as well. */
function top(most) {
  const size = 10 ** Math.floor(Math.log10(most));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((n) => Math.round(n * size)).find((n) => n >= most && (n < 2 || n % 2 === 0));
}

const short = (count) => (count < 10000 ? count.toLocaleString("en") : `${count / 1000} k`);

/** `draw(activity, fires)` as often as there is something new. */
export function timeline() {
  const plot = h("div", { class: "plane" });
  const marks = h("div", { class: "marks", "aria-hidden": "true" });
  const reading = h("p", { class: "reading quiet", "aria-hidden": "true" });
  const legend = h("ul", { class: "legend" }, [["failed", "failed"], ["lost", "lost"], ["ended", "skipped or cancelled"], ["open", "queued or running"], ["succeeded", "succeeded"], ["due", "due"]]
    .map(([kind, word]) => h("li", null, h("span", { class: `swatch b-${kind}` }), word)));
  const element = h("figure", { class: "timeline" }, h("p", { class: "axis quiet", "aria-hidden": "true" }, "runs"), plot, marks, h("figcaption", null, legend, reading));
  // Of all bars, the one that Tab leads to.
  let chosen = null;

  const read = ({ target }) => {
    const bar = target.closest("a");
    fill(reading, bar?.getAttribute("aria-label") ?? "");
  };
  const move = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    const bars = [...plot.querySelectorAll("a")];
    const at = bars.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    choose(bars[Math.max(0, Math.min(bars.length - 1, at + by))])?.focus();
  };
  function choose(bar) {
    for (const one of plot.querySelectorAll("a")) one.tabIndex = one === bar ? 0 : -1;
    chosen = bar?.dataset.bar ?? null;
    return bar;
  }
  for (const kind of ["mouseover", "focusin"]) plot.addEventListener(kind, read);
  plot.addEventListener("focusin", ({ target }) => choose(target.closest("a")));
  plot.addEventListener("keydown", move);

  function draw(past, coming) {
    const [begin, now, end] = [past.from, coming.from, coming.until].map((at) => new Date(at).getTime());
    const most = top(Math.max(1, ...past.spans.map(sum), ...coming.spans.map(({ count }) => count)));
    const x = (at) => ((at - begin) / (end - begin)) * 100;
    const bar = (kind, span, [first, last], count, href, words, segments) => {
      const from = Math.max(first, new Date(span.at).getTime());
      const until = Math.min(last, new Date(span.at).getTime() + past.step * 1000);
      const label = `${clock(from)} to ${clock(until).slice(-5)}: ${words}`;
      const stack = h("span", { class: "stack" }, segments);
      stack.style.height = `${(count / most) * 100}%`;
      const link = h("a", { href: href(new Date(from).toISOString(), new Date(until).toISOString()), "aria-label": label, title: label, tabindex: "-1", "data-bar": `${kind} ${span.at}` }, stack);
      const item = h("li", null, link);
      item.style.left = `${x(from)}%`;
      item.style.width = `${x(until) - x(from)}%`;
      return item;
    };
    const ran = past.spans.map((span) => bar("past", span, [begin, now], sum(span), (since, until) => `#/runs?${new URLSearchParams({ since, until, parts: false })}`,
      `${counted(sum(span), "run")}, ${parts(span)}`,
      STATES.filter((state) => span[state]).map((state) => {
        const segment = h("span", { class: `b-${look(state)}` });
        segment.style.flexGrow = span[state];
        return segment;
      })));
    const due = coming.spans.map((span) => bar("due", span, [now, end], span.count, () => (span.jobs.length === 1 ? to("jobs", span.jobs[0]) : "#/jobs?enabled=true"),
      `${counted(span.count, "run")} due, of ${span.jobs.join(", ")}${span.count > span.jobs.length && span.jobs.length > 4 ? ", …" : ""}`, h("span", { class: "b-due" })));

    const held = plot.contains(document.activeElement);
    const rules = [...new Set([0, Number.isInteger(most / 2) ? most / 2 : 0, most])].map((count) => {
      const rule = h("span", { class: "level", "aria-hidden": "true" }, h("span", null, short(count)));
      rule.style.bottom = `${(count / most) * 100}%`;
      return rule;
    });
    const here = h("span", { class: "now", "aria-hidden": "true" }, h("span", null, "now"));
    here.style.left = `${x(now)}%`;
    fill(plot, rules, hours(begin, end, x, "hour"),
      h("ol", { "aria-label": "Runs of the last 24 hours" }, ran),
      h("ol", { "aria-label": "Due in the next 24 hours" }, due), here);
    const bars = [...plot.querySelectorAll("a")];
    const again = bars.find((one) => one.dataset.bar === chosen);
    const known = chosen;
    choose(again ?? bars[Math.max(0, ran.length - 1)]);
    if (!again && !known) chosen = null;
    if (held && again && document.activeElement !== again) again.focus({ preventScroll: true });
    fill(marks, hours(begin, end, x, "mark"));
  }

  return { element, draw };
}

const look = (state) => ({ skipped: "ended", cancelled: "ended", queued: "open", running: "open" })[state] ?? state;

/** A line or a word at every sixth hour of the viewer's clock, and the name of the day at its begin. */
function hours(begin, end, x, kind) {
  const found = [];
  for (let at = Math.ceil(begin / 900000) * 900000; at < end; at += 900000) {
    const date = new Date(at);
    if (date.getMinutes() || date.getHours() % 6) continue;
    const begins = !date.getHours();
    const [day, place] = [`${DAYS[date.getDay()]} ${date.getDate()}`, x(at)];
    // At the edges there is no room for words.
    const words = kind === "mark" && place > 2 && place < 98 && [clock(date).slice(-5), begins && h("b", null, day)];
    const mark = h("span", { class: `${kind} ${begins ? "day" : date.getHours() % 12 ? "sixth" : ""}` }, words);
    mark.style.left = `${place}%`;
    found.push(mark);
  }
  return found;
}

/** Work done when bars are to be of another width. */
export function whenResized(work, signal) {
  narrow.addEventListener("change", work, { signal });
}
