// Outputs beside each other: nodes that said the same together, and what has changed since the run
// before.

import { h, fill } from "./dom.js";
import { get } from "./api.js";
import { text, TAIL } from "./follow.js";
import { badge, isBad, unitWord } from "./state.js";
import { to } from "./router.js";

const AT_A_TIME = 6;
const MOST = 300;
// Runs before, in which a node is looked for.
const LOOKED = 5;
const SHOWN = 200;
const REASONS = 3;
// Lines that differ, beyond which a difference is no help.
const EDITS = 600;

/** Outputs of units, by several requests at a time. */
async function texts(units, signal, onProgress) {
  const found = [];
  let next = 0;
  const work = async () => {
    while (next < units.length && !signal.aborted) {
      const at = next++;
      found[at] = await text(units[at], signal);
      onProgress?.(found.length);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return found;
}

/** Units of equal outcome and output together; of very many the first ones, so these are to be those that matter. */
export async function alike(into, units, signal) {
  const ended = units.filter((unit) => unit.state === "done");
  const some = ended.slice(0, MOST);
  const open = units.length - ended.length;
  if (!some.length) return fill(into, h("p", { class: "quiet" }, "No unit has ended yet."));
  fill(into, h("p", { class: "quiet" }, "…"));
  const said = await texts(some, signal, (done) => {
    if (done % 50 === 0) fill(into, h("p", { class: "quiet" }, `${done} of ${some.length} …`));
  });
  const groups = new Map();
  some.forEach((unit, at) => {
    const key = `${unit.summary}\n${said[at]}`;
    if (!groups.has(key)) groups.set(key, { units: [], said: said[at] });
    groups.get(key).units.push(unit);
  });
  const bad = (group) => isBad(unitWord(group.units[0]));
  const sorted = [...groups.values()].sort((a, b) => bad(b) - bad(a) || b.units.length - a.units.length);
  const cut = said.some((words) => words.split("\n").length > TAIL);
  const limits = [
    some.length < ended.length && `the ${some.length} of ${ended.length} nodes that come first, those that did not succeed before the others`,
    cut && `the last ${TAIL} lines of each`].filter(Boolean);
  fill(into,
    h("p", { class: "quiet" }, sorted.length === 1 ? "All wrote the same." : `${sorted.length} different outputs.`,
      limits.length > 0 && ` Compared: ${limits.join("; ")}.`, open > 0 && ` ${open === 1 ? "1 unit has" : `${open} units have`} not ended yet.`),
    sorted.map(({ units: same, said: words }) => {
      const names = same.map((unit) => unit.node);
      return h("section", { class: "group" },
        h("h3", null, badge(unitWord(same[0]), same[0].summary), ` on ${names.length === 1 ? names[0] : `${names.length} nodes`}`),
        names.length > 1 && h("p", { class: "names" }, brief(names)),
        reasons(same),
        words ? h("pre", { tabindex: "0" }, head(words)) : h("p", { class: "quiet" }, "It wrote nothing."));
    }));
}

/** What Loom says of them, which may name each node's address: some of it then. */
function reasons(units) {
  const all = [...new Set(units.map(({ detail }) => detail).filter(Boolean))];
  return [all.slice(0, REASONS).map((one) => h("p", null, one)), all.length > REASONS && h("p", { class: "quiet" }, `and ${all.length - REASONS} other reasons`)];
}

const brief = (names) => (names.length > 40 ? `${names.slice(0, 40).join(", ")} and ${names.length - 40} more` : names.join(", "));

function head(words) {
  const lines = words.split("\n");
  return lines.length > SHOWN ? `${lines.slice(0, SHOWN).join("\n")}\n… ${lines.length - SHOWN} more lines` : words;
}

/** Runs before this one of the same job, or of the same command: the latest first. */
export async function earlier(run, count, signal) {
  const among = run.command ? 50 : count;
  const { items } = await get("runs", { job: run.job, cursor: run.id, limit: among }, signal);
  return items.filter((one) => one.command === run.command).slice(0, count);
}

export async function changed(into, run, unit, signal) {
  fill(into, h("p", { class: "quiet" }, "…"));
  let before;
  let then;
  for (const one of await earlier(run, LOOKED, signal)) {
    const detail = await get(`runs/${one.id}`, {}, signal);
    before = detail.nodes.filter((other) => other.node === unit.node && other.state === "done").at(-1);
    then = one;
    if (before) break;
  }
  if (!before) return fill(into, h("p", { class: "quiet" }, `None of the ${LOOKED} runs before has output of ${unit.node}.`));
  const [now, old] = await texts([unit, before], signal);
  const lines = difference(old.split("\n"), now.split("\n"));
  const link = h("a", { href: to("runs", then.id) }, `run ${then.id}`);
  if (lines && lines.every(([mark]) => mark === " ")) return fill(into, h("p", null, `${unit.node} wrote the same as in `, link, "."));
  if (!lines) return fill(into, h("p", null, `${unit.node} wrote something else altogether than in `, link, "."));
  const words = { "+": "added: ", "-": "gone: ", " ": "" };
  fill(into, h("p", null, `${unit.node}, since `, link, ":"),
    h("div", { class: "output diff", tabindex: "0", role: "region", "aria-label": "Differences" }, near(lines).map(([mark, line]) =>
      h("div", { class: `line ${{ "+": "plus", "-": "minus", " ": "same", "…": "note" }[mark]}` },
        h("span", { class: "sign", "aria-hidden": "true" }, mark), words[mark] && h("span", { class: "unseen" }, words[mark]), line))));
}

/** Three lines around what differs are enough. */
function near(lines) {
  const keep = new Set();
  lines.forEach(([mark], at) => {
    if (mark !== " ") for (let near = at - 3; near <= at + 3; near++) keep.add(near);
  });
  const shown = [];
  lines.forEach((line, at) => {
    if (keep.has(at)) shown.push(line);
    else if (shown.at(-1)?.[0] !== "…") shown.push(["…", ""]);
  });
  return shown;
}

/** What to take away and to add, by Myers' algorithm; `null` if that is more than is of use. */
export function difference(a, b) {
  let from = 0;
  while (from < a.length && from < b.length && a[from] === b[from]) from++;
  let behind = 0;
  while (behind < a.length - from && behind < b.length - from && a.at(-1 - behind) === b.at(-1 - behind)) behind++;
  const [left, right] = [a.slice(from, a.length - behind), b.slice(from, b.length - behind)];
  const middle = myers(left, right);
  if (!middle) return null;
  const same = (line) => [" ", line];
  return [...a.slice(0, from).map(same), ...middle, ...a.slice(a.length - behind).map(same)];
}

function myers(a, b) {
  const trace = [];
  let reach = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, EDITS); d++) {
    trace.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reach.get(k - 1) < reach.get(k + 1));
      let x = down ? reach.get(k + 1) : reach.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return path(a, b, trace, d);
    }
  }
  return null;
}

function path(a, b, trace, edits) {
  const steps = [];
  let [x, y] = [a.length, b.length];
  for (let d = edits; d >= 0; d--) {
    const reach = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && reach.get(k - 1) < reach.get(k + 1));
    const before = down ? k + 1 : k - 1;
    const px = reach.get(before) ?? 0;
    const py = px - before;
    while (x > px && y > py && x > 0 && y > 0) {
      steps.push([" ", a[--x]]);
      y--;
    }
    if (d === 0) break;
    steps.push(down ? ["+", b[--y]] : ["-", a[--x]]);
  }
  return steps.reverse();
}
