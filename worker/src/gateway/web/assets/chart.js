// Pictures of numbers: what comes due, what became of runs, how long they took. Each has its words
// beside it or in its parts, so that none has to be seen.

import { h, svg } from "./dom.js";
import { clock, duration, between } from "./time.js";
import { look } from "./state.js";
import { to } from "./router.js";

/** Due instants of the coming day, a bar for each span of time. */
export function timeline({ from, until, step, spans }) {
  const [begin, end] = [new Date(from) / 1000, new Date(until) / 1000];
  const [wide, tall] = [960, 96];
  const most = Math.max(1, ...spans.map((span) => span.count));
  const x = (at) => ((at - begin) / (end - begin)) * wide;
  const bars = spans.map(({ at, count, jobs }) => {
    // A single one is to be seen beside thousands.
    const height = 8 + (count / most) * (tall - 12);
    const left = x(Math.max(begin, new Date(at) / 1000));
    const width = Math.max(1.5, x(Math.min(end, new Date(at) / 1000 + step)) - left - 1.5);
    const more = count > jobs.length ? ", …" : "";
    return svg("rect", { class: "bar", x: left, width, y: tall - height, height, rx: 1 }, svg("title", null, `${clock(at)}: ${count} due (${jobs.join(", ")}${more})`));
  });
  const hours = [];
  for (let at = Math.ceil(begin / 3600) * 3600; at < end; at += 3600) {
    const hour = new Date(at * 1000).getHours();
    if (hour % 6 === 0) hours.push(svg("line", { class: "rule", x1: x(at), x2: x(at), y1: 0, y2: tall }));
  }
  const marks = [];
  for (let at = Math.ceil(begin / 3600) * 3600; at < end; at += 3600) {
    const date = new Date(at * 1000);
    if (date.getHours() % 6 === 0) {
      const mark = h("span", null, clock(date).slice(-5));
      mark.style.left = `${(x(at) / wide) * 100}%`;
      marks.push(mark);
    }
  }
  const all = spans.reduce((sum, span) => sum + span.count, 0);
  return h("figure", { class: "timeline" },
    svg("svg", { viewBox: `0 0 ${wide} ${tall}`, preserveAspectRatio: "none", role: "img", "aria-label": `${all} due instants in the next 24 hours` }, hours, bars),
    h("div", { class: "marks", "aria-hidden": "true" }, marks));
}

/** Runs, the newest last, a cell for each; a link to it. */
export function heat(runs) {
  const cells = [...runs].reverse().map((run, nth) => {
    const [shape, kind] = look(run.state);
    const label = `Run ${run.id}, ${run.state}, ${clock(run.scheduled_at ?? run.queued_at)}`;
    return h("li", null, h("a", { class: `cell ${kind}`, href: to("runs", run.id), title: label, "aria-label": label, tabindex: nth === runs.length - 1 ? "0" : "-1" }, shape));
  });
  const move = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...event.currentTarget.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const next = links[Math.max(0, Math.min(links.length - 1, at + step))];
    links[at]?.setAttribute("tabindex", "-1");
    next?.setAttribute("tabindex", "0");
    next?.focus();
  };
  return h("ol", { class: "heat", "aria-label": "Latest runs, the newest last", onkeydown: move }, cells);
}

export function median(numbers) {
  if (!numbers.length) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** How long runs took, with the median. */
export function durations(runs) {
  const ended = [...runs].reverse().filter((run) => run.started_at && run.finished_at);
  if (ended.length < 2) return h("p", { class: "quiet" }, "After two runs there is something to compare.");
  const took = ended.map((run) => between(run.started_at, run.finished_at));
  const [wide, tall, pad] = [960, 140, 6];
  const most = Math.max(...took, 0.1);
  const middle = median(took);
  const x = (n) => pad + (n / (ended.length - 1)) * (wide - 2 * pad);
  const y = (seconds) => tall - pad - (seconds / most) * (tall - 2 * pad);
  const points = ended.map((run, n) => {
    const kind = look(run.state)[1];
    const title = svg("title", null, `Run ${run.id}, ${run.state}: ${duration(took[n])}`);
    const [at, high] = [x(n), y(took[n])];
    // What did not succeed is a cross and not a dot.
    if (kind === "good") return svg("circle", { class: "good", cx: at, cy: high, r: 3 }, title);
    return svg("path", { class: kind, d: `M${at - 3.5} ${high - 3.5}l7 7m0 -7l-7 7` }, title);
  });
  return h("figure", { class: "plot" },
    svg("svg", { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": `Durations of ${ended.length} runs: median ${duration(middle)}, longest ${duration(most)}` },
      svg("line", { class: "rule", x1: 0, x2: wide, y1: tall - 1, y2: tall - 1 }),
      svg("line", { class: "median", x1: 0, x2: wide, y1: y(middle), y2: y(middle) }), points),
    h("figcaption", null, `Median ${duration(middle)}, longest ${duration(most)}, of ${ended.length} runs. Dots succeeded; crosses did not.`));
}
