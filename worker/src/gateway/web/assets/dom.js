// Elements out of text. Nothing here or elsewhere makes markup of a string: whatever a node or a
// manifest says arrives as a text node, with what a terminal or a reader could be fooled by made
// visible.

const SVG = "http://www.w3.org/2000/svg";
// Colours and the like of a terminal: nothing is lost without them.
const COLOURS = /\x1b\[[0-9;:]*m/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// They would turn the order of what stands around them.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const ODD = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const code = (at) => `\u27e8U+${at.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
// As terminals show them: `^[` of an escape.
const caret = (at) => (at < " " || at === "\x7f" ? `^${String.fromCharCode(at.charCodeAt(0) ^ 64)}` : code(at));

export function clean(text) {
  text = String(text);
  if (!ODD.test(text)) return text;
  return text.replace(COLOURS, "").replace(/\r+(?=\n|$)/g, "").replace(CONTROLS, caret).replace(TURNS, code);
}

function add(to, child) {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) for (const one of child) add(to, one);
  else to.append(child instanceof Node ? child : clean(child));
}

const listening = new WeakSet();

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) {
    element.addEventListener(name.slice(2), value);
    listening.add(element);
  }
  // A link leads to another view of this page, and nowhere else.
  else if (name === "href" && !value.startsWith("#")) return;
  else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") element[name] = value;
  else element.setAttribute(name, value === true ? "" : clean(value));
}

function make(element, attributes, children) {
  for (const name in attributes) set(element, name, attributes[name]);
  add(element, children);
  return element;
}

/** An element with attributes (`onclick: f` listens) and children: texts, nodes, lists, nothing. */
export const h = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) => make(document.createElementNS(SVG, tag), attributes, children);

/**
 * Has these children and no others. What is there already and looks the same stays, so that nobody
 * loses what has the focus or is just being pressed.
 */
export function fill(element, ...children) {
  const wanted = document.createElement("div");
  add(wanted, children);
  renew(element, wanted);
  return element;
}

function renew(old, fresh) {
  const [were, are] = [[...old.childNodes], [...fresh.childNodes]];
  are.forEach((is, at) => {
    const was = were[at];
    if (!was) old.append(is);
    else if (was === is || was.isEqualNode(is)) return;
    else if (alike(was, is)) renew(was, is);
    else was.replaceWith(is);
  });
  for (const one of were.slice(are.length)) one.remove();
}

/** Elements but for what is in them. One that listens may mean something else by now. */
function alike(a, b) {
  return a.nodeType === Node.ELEMENT_NODE && b.nodeType === Node.ELEMENT_NODE && !listening.has(a) && !listening.has(b)
    && a.cloneNode(false).isEqualNode(b.cloneNode(false));
}

/** A heading with what belongs to it, as a landmark of that name. */
export function section(title, ...children) {
  const id = `s-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), children);
}

/** Pairs of a term and what it is; without those that are nothing. */
export const facts = (...pairs) =>
  h("dl", { class: "facts" }, pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "")
    .map(([term, is]) => h("div", null, h("dt", null, term), h("dd", null, is))));

let turn = 0;
/** Told to who cannot see it. */
export function tell(text) {
  const news = document.getElementById("news");
  // The same words again would not be read out again.
  news.textContent = clean(text) + (turn++ % 2 ? "\u00a0" : "");
}

/** A notice that stays until it is put away. */
export function complain(error) {
  const notice = h("div", { class: "notice bad", role: "alert" }, error.message,
    h("button", { class: "plain", "aria-label": "Put this notice away", onclick: () => notice.remove() }, "×"));
  const main = document.getElementById("main");
  main.querySelector(":scope > .notice")?.remove();
  main.prepend(notice);
}

/**
 * Work that is done at most once a while, the last time included, until `signal`; and not before the
 * time before is over, so that no slow answer comes after a newer one. Where it fails, the next time
 * has to do.
 */
export function seldom(wait, work, signal) {
  let armed = false;
  let asked = false;
  let last = -Infinity;
  const begin = async () => {
    [asked, last] = [false, performance.now()];
    if (!signal.aborted) await Promise.resolve().then(work).catch(() => {});
    armed = false;
    if (asked && !signal.aborted) arm();
  };
  const arm = () => {
    armed = true;
    setTimeout(begin, Math.max(0, last + wait - performance.now()));
  };
  return () => {
    asked = true;
    if (!armed) arm();
  };
}
