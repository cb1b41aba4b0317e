// A box of output: lines that come at its end, or before its beginning. It keeps as many as one can
// read, and stays at the end while one is there.

import { h, fill } from "./dom.js";
import { clock } from "./time.js";

const MOST = 5000;
const AT_ONCE = 400;

export function box(label) {
  const lines = h("div", { class: "lines" });
  const said = h("p", { class: "quiet said" }, "…");
  const element = h("div", { class: "output", role: "log", "aria-live": "off", "aria-label": label, tabindex: "0" }, lines);
  let waiting = [];
  let armed = false;
  let cut = false;

  function draw() {
    armed = false;
    const ends = element.scrollTop + element.clientHeight >= element.scrollHeight - 20;
    const now = waiting.splice(0, AT_ONCE);
    const fresh = document.createDocumentFragment();
    for (const one of now) fresh.append(line(one));
    lines.append(fresh);
    while (lines.childElementCount > MOST) {
      lines.firstChild.remove();
      cut = true;
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
    element: h("div", null, said, element),
    /** At the end. */
    add(some) {
      waiting.push(...some);
      if (waiting.length > MOST) {
        waiting.splice(0, waiting.length - MOST);
        cut = true;
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
    get isCut() {
      return cut;
    },
  };
}

/** `{ text, stream, at, node }`; without a stream, it is a word of ours. */
function line({ text, stream, at, node }) {
  if (!stream) return h("div", { class: "line note" }, text);
  return h("div", { class: stream === "stderr" ? "line err" : "line", title: at && `${clock(at, true)} ${stream}` },
    node && h("span", { class: "from" }, node), stream === "stderr" && h("span", { class: "unseen" }, "stderr: "), text || " ");
}
