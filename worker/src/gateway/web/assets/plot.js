// A job's past as a picture: its runs in a row, a cell for each, and below, in the same columns, how
// long each took. What one points at, or comes to by keyboard, is told in words under it.

import { h, svg, fill } from "./dom.js";
import { clock, duration, between } from "./time.js";
import { badge, look } from "./state.js";
import { to } from "./router.js";
import { strip, rove } from "./cells.js";

// In pixels: a column at least and at most, the room for the values' axis, and the plot's height with
// its margins.
const [THIN, BROAD] = [13, 28];
const GAP = 2;
const AXIS = 58;
const TALL = 168;
const [ABOVE, BELOW] = [14, 22];
const MOST = 120;
// What a plot of few runs is wide nevertheless.
const WIDE = 420;
// Between two times at the axis.
const APART = 110;

// Seconds from line to line, of which one says how much it is without counting.
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

function median(numbers) {
  if (!numbers.length) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Round values for two to four lines, the last of which no value is above. */
export function lines(most) {
  const step = STEPS.find((step) => most / step <= 4) ?? Math.ceil(most / 4 / 86400) * 86400;
  return Array.from({ length: Math.max(2, Math.ceil(most / step)) }, (_, n) => (n + 1) * step);
}

const round = (seconds) => duration(seconds).replace(/\.0 /, " ");

const length = (run) => (run.started_at && run.finished_at ? between(run.started_at, run.finished_at) : null);
const begun = (run) => run.started_at ?? run.scheduled_at ?? run.queued_at;

/** `set(runs)`: the newest first, as the API lists them. As many are shown as there is room for. */
export function past(signal) {
  const element = h("div", { class: "past" });
  let runs = [];
  const watch = new ResizeObserver(() => draw());
  watch.observe(element);
  signal.addEventListener("abort", () => watch.disconnect());
  let drawn = "";

  function draw() {
    const room = element.clientWidth - AXIS;
    if (room < THIN) return;
    const some = runs.slice(0, Math.min(Math.floor(room / THIN), MOST)).reverse();
    // What has not changed keeps what is pointed at.
    const now = JSON.stringify([room, some.map((run) => [run.id, run.state, run.finished_at])]);
    if (now === drawn) return;
    drawn = now;
    const held = element.contains(document.activeElement) ? document.activeElement : null;
    const [kind, href] = [held?.className.split(" ")[0], held?.getAttribute("href")];
    const column = Math.min(BROAD, Math.floor(room / Math.max(1, some.length)));
    element.replaceChildren(picture(some, runs.length, { column, wide: Math.max(some.length * column, Math.min(room, WIDE)) }));
    if (href) [...element.querySelectorAll(`a.${kind}`)].find((one) => one.getAttribute("href") === href)?.focus();
  }

  return {
    element,
    set(others) {
      runs = others;
      draw();
    },
  };
}

function picture(runs, known, size) {
  const took = runs.map(length);
  const says = (run, n) => `Run ${run.id}, ${run.state}, ${clock(begun(run))}${took[n] === null ? "" : `, took ${duration(took[n])}`}`;
  const cells = runs.map((run, n) => ({ word: run.state, label: says(run, n), href: to("runs", run.id) }));
  const readout = h("p", { class: "readout", "aria-hidden": "true" });
  const still = () => fill(readout, h("span", { class: "quiet" }, "Point at a run for its time and duration."));
  still();
  const row = strip("Latest runs, the newest last", cells);
  for (const cell of row.querySelectorAll("a")) cell.style.width = `${size.column - GAP}px`;
  const body = [row, h("p", { class: "legend" }, legend(runs, known))];
  const measured = took.filter((one) => one !== null);
  if (measured.length > 1) body.push(plot(runs, took, measured, cells, size), readout, h("p", { class: "legend" }, about(measured)));
  else body.push(h("p", { class: "quiet" }, "How long they take is shown once two have ended."));
  const figure = h("figure", { class: "history" }, body);
  // The same run is marked in both.
  const point = (event) => {
    const href = event.target.closest?.("a")?.getAttribute("href");
    for (const link of figure.querySelectorAll("a")) link.classList.toggle("here", href === link.getAttribute("href"));
    const at = cells.findIndex((cell) => cell.href === href);
    if (at < 0) still();
    else fill(readout, badge(runs[at].state, cells[at].label));
  };
  for (const kind of ["mouseover", "focusin"]) figure.addEventListener(kind, point);
  figure.addEventListener("mouseleave", point);
  return figure;
}

function legend(runs, known) {
  const states = [...new Set(runs.map((run) => run.state))];
  return [runs.length === 1 ? "Its only run" : `A cell for each of its ${runs.length < known ? `last ${runs.length} runs` : `${runs.length} runs`}, the newest on the right`,
    ": ", states.map((state, n) => [n ? ", " : "", badge(state)]), "."];
}

const about = (measured) => `Below each: how long it took; a dot if it succeeded, a cross if it did not. Median of ${measured.length} runs: ${duration(median(measured))}; longest: ${duration(Math.max(...measured))}.`;

function plot(runs, took, measured, cells, { column, wide }) {
  const values = lines(Math.max(...measured, 0.02));
  const [top, bottom] = [ABOVE, TALL - BELOW];
  const y = (seconds) => bottom - (seconds / values.at(-1)) * (bottom - top);
  const x = (n) => AXIS + n * column + (column - GAP) / 2;
  const middle = median(measured);
  const all = AXIS + wide;
  const rules = [0, ...values].map((value) => [
    svg("line", { class: "rule", x1: AXIS, x2: all, y1: y(value), y2: y(value) }),
    svg("text", { x: AXIS - 8, y: y(value) + 4, "text-anchor": "end" }, value ? round(value) : "0")]);
  const marks = runs.map((run, n) => {
    if (took[n] === null) return null;
    const [kind, at, high] = [look(run.state)[1], x(n), y(took[n])];
    // What did not succeed is a cross and not a dot.
    if (kind === "good") return svg("circle", { class: "good", cx: at, cy: high, r: 3.2 });
    return svg("path", { class: kind, d: `M${at - 3.5} ${high - 3.5}l7 7m0 -7l-7 7` });
  });
  const named = nameOf(middle, y(middle), all, runs.map((run, n) => took[n] !== null && [x(n), y(took[n])]).filter(Boolean));
  const links = runs.map((run, n) => took[n] === null ? null : { n, cell: cells[n] }).filter(Boolean);
  const dots = h("ol", { class: "dots", "aria-label": "Durations of the latest runs, the newest last", onkeydown: rove }, links.map(({ n, cell }, nth) => {
    const link = h("a", { class: "dot", href: cell.href, title: cell.label, "aria-label": cell.label, tabindex: nth === links.length - 1 ? "0" : "-1" });
    link.style.left = `${AXIS + n * column}px`;
    link.style.width = `${column - GAP}px`;
    return h("li", null, link);
  }));
  return h("div", { class: "plot" },
    svg("svg", { width: all, height: TALL, role: "img", "aria-label": `Durations of ${measured.length} runs: median ${duration(middle)}, longest ${duration(Math.max(...measured))}` },
      rules, times(runs, x, all, column), svg("line", { class: "median", x1: AXIS, x2: all, y1: y(middle), y2: y(middle) }), marks, named), dots);
}

/** The median's name at its line, where no mark is in its way if there is such a place. */
function nameOf(middle, at, all, marks) {
  const [broad, tall] = [110, 16];
  const free = (left, top) => !marks.some(([x, y]) => x > left - 4 && x < left + broad && y > top - 4 && y < top + tall + 4);
  const places = [[all - 2, at - 5, "end"], [all - 2, at + 14, "end"], [AXIS + 4, at - 5, "start"], [AXIS + 4, at + 14, "start"]];
  const [x, y, anchor] = places.find(([x, y, anchor]) => free(anchor === "end" ? x - broad : x, y - 12)) ?? places[0];
  return svg("text", { class: "named", x, y, "text-anchor": anchor }, `median ${duration(middle)}`);
}

/** When the runs were, at some of them, the newest among these. */
function times(runs, x, all, column) {
  const every = Math.ceil(APART / column);
  const marks = [];
  for (let n = runs.length - 1; n >= 0; n -= every) {
    const at = x(n);
    const [anchor, from] = at > all - APART / 2 ? ["end", Math.min(all, at + column / 2)] : at < AXIS + APART / 2 ? ["start", at - column / 2] : ["middle", at];
    marks.push(svg("line", { class: "tick", x1: at, x2: at, y1: TALL - BELOW, y2: TALL - BELOW + 4 }),
      svg("text", { x: from, y: TALL - 5, "text-anchor": anchor }, clock(begun(runs[n]))));
  }
  return marks;
}
