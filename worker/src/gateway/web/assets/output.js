// A box of output: lines that come at its end, or before its beginning. It keeps as many as one can
// read, and stays at the end while one is there.

import { h, fill, clean } from "./dom.js";
import { clock } from "./time.js";

const MOST = 5000;
const AT_ONCE = 400;
// Characters that a line may have before it is broken.
const LONGEST = 100000;

export function box(label) {
  const lines = h("div", { class: "lines" });
  const said = h("p", { class: "quiet said" }, "…");
  const element = h("div", { class: "output", role: "log", "aria-live": "off", "aria-label": label, tabindex: "0" }, lines);
  let waiting = [];
  let armed = false;
  const missing = h("p", { class: "quiet", hidden: true }, `Some lines are not shown here; the last ${MOST} are.`);
  // Lines that go on, by what goes on with them.
  const open = new Map();

  /** One of its own, unless it is the rest of one. */
  function put(one, to) {
    const begun = open.get(one.of);
    if (one.partial && one.of) {
      if (begun?.length > LONGEST) open.delete(one.of);
    } else open.delete(one.of);
    if (begun) {
      begun.line.append(clean(one.text));
      begun.length += one.text.length;
      return;
    }
    const fresh = line(one);
    if (one.partial && one.of) open.set(one.of, { line: fresh, length: one.text.length });
    to.append(fresh);
  }

  function draw() {
    armed = false;
    const ends = element.scrollTop + element.clientHeight >= element.scrollHeight - 20;
    const now = waiting.splice(0, AT_ONCE);
    const fresh = document.createDocumentFragment();
    for (const one of now) put(one, fresh);
    lines.append(fresh);
    while (lines.childElementCount > MOST) {
      lines.firstChild.remove();
      missing.hidden = false;
    }
    if (ends) element.scrollTop = element.scrollHeight;
    if (waiting.length) later();
  }

  function later() {
    if (armed) return;
    armed = true;
    if (document.hidden) setTimeout(draw, 1000);
    else requestAnimationFrame(draw);
  }

  return {
    element: h("div", null, said, missing, element),
    /** At the end. */
    add(some) {
      waiting.push(...some);
      if (waiting.length > MOST) {
        waiting.splice(0, waiting.length - MOST);
        missing.hidden = false;
      }
      later();
    },
    /** Before the beginning; what is read stays where it is. */
    before(some) {
      const high = element.scrollHeight;
      const fresh = document.createDocumentFragment();
      for (const one of some.slice(-MOST)) fresh.append(line(one));
      lines.prepend(fresh);
      element.scrollTop += element.scrollHeight - high;
    },
    say: (...words) => fill(said, words),
  };
}

/** `{ text, stream, at, node, partial, of }`; without a stream, it is a word of ours. */
function line({ text, stream, at, node }) {
  if (!stream) return h("div", { class: "line note" }, text);
  return h("div", { class: stream === "stderr" ? "line err" : "line", title: at && `${clock(at, true)} ${stream}` },
    node && h("span", { class: "from" }, node), stream === "stderr" && h("span", { class: "unseen" }, "stderr: "), text || " ");
}
