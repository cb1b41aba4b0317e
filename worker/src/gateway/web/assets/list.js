// Long tables, of which only the rows in view are there. All rows are of one height.

import { h, fill } from "./dom.js";

const MARGIN = 12;

/**
 * `columns`: `{ name, cell(item), class }`, the first of which heads its row. `key(item)`: what an
 * item is known by. `more()`: asked for further items when the end comes near. `inside`: it scrolls
 * in a box of its own, and not with the page.
 */
function list({ label, columns, key, empty, more, inside }) {
  let items = [];
  let places = new Map();
  let drawn = new Map();
  let height = 34;
  let asked = false;
  let all = !more;

  const above = h("tr", { class: "space", "aria-hidden": "true" }, h("td"));
  const below = h("tr", { class: "space", "aria-hidden": "true" }, h("td"));
  const body = h("tbody", { onkeydown: move }, above, below);
  const nothing = h("p", { class: "quiet", hidden: true }, empty ?? "There is nothing.");
  const table = h("table", { class: "list", "aria-rowcount": "-1" },
    h("caption", { class: "unseen" }, label),
    h("thead", null, h("tr", null, columns.map(({ name, class: kind }) => h("th", { scope: "col", class: kind }, name)))),
    body);
  const element = h("div", { class: inside ? "windowed inside" : "windowed" }, table, nothing);
  const scrolling = inside ? element : window;

  const row = (item, at) => h("tr", { "aria-rowindex": at + 2, "data-key": key(item) },
    columns.map(({ cell, class: kind }, n) => h(n ? "td" : "th", { class: kind, scope: n ? null : "row" }, cell(item))));

  // What heads a row is what it is known by, and stays.
  function change(row, item) {
    columns.forEach(({ cell }, n) => {
      if (n) fill(row.children[n], cell(item));
    });
  }

  // Where what can be seen begins, and how high that is.
  const view = () => (inside ? [element.getBoundingClientRect().top, element.clientHeight] : [0, innerHeight]);

  function draw() {
    if (!element.isConnected) return;
    const [begin, seen] = view();
    const top = begin - body.getBoundingClientRect().top;
    const first = Math.max(0, Math.min(items.length, Math.floor(top / height)) - MARGIN);
    const last = Math.min(items.length, Math.max(0, Math.ceil((top + seen) / height)) + MARGIN);
    const wanted = new Map();
    const held = body.contains(document.activeElement) ? document.activeElement : null;
    const where = held?.closest("tr");
    for (let at = first; at < last; at++) {
      const item = items[at];
      const old = drawn.get(key(item));
      if (old) {
        old.row.setAttribute("aria-rowindex", at + 2);
        if (old.item !== item) change(old.row, item);
      }
      wanted.set(key(item), { item, row: old?.row ?? row(item, at) });
    }
    for (const [name, { row }] of drawn) if (!wanted.has(name)) row.remove();
    let at = above;
    for (const { row } of wanted.values()) {
      if (at.nextSibling !== row) at.after(row);
      at = row;
    }
    drawn = wanted;
    // It was drawn anew, or has left the view.
    if (held && !held.isConnected) {
      (where?.isConnected ? where.querySelector("a, button") : table.closest("main"))?.focus({ preventScroll: true });
    }
    above.firstChild.style.height = `${first * height}px`;
    below.firstChild.style.height = `${(items.length - Math.max(first, last)) * height}px`;
    above.hidden = first === 0;
    below.hidden = last >= items.length;
    const measured = wanted.values().next().value?.row.offsetHeight;
    if (measured && Math.abs(measured - height) > 0.5) {
      height = measured;
      return later();
    }
    if (!all && !asked && last > items.length - 3 * MARGIN) ask();
  }

  async function ask() {
    asked = true;
    try {
      all = !(await more());
    } finally {
      asked = false;
    }
    later();
  }

  let armed = false;
  function later() {
    if (armed) return;
    armed = true;
    requestAnimationFrame(() => {
      armed = false;
      draw();
    });
  }

  function move(event) {
    const rows = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    const step = rows[event.key];
    const here = event.target.closest("tr");
    if (!step || !here || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select")) return;
    event.preventDefault();
    const at = Number(here.getAttribute("aria-rowindex")) - 2;
    focus(Math.max(0, Math.min(items.length - 1, at + step)));
  }

  function focus(at) {
    const [begin, seen] = view();
    const top = body.getBoundingClientRect().top + at * height - begin;
    if (top < 60 || top + height > seen - 10) scrolling.scrollBy(0, top - seen / 2);
    draw();
    drawn.get(key(items[at]))?.row.querySelector("a, button")?.focus({ preventScroll: true });
  }

  // What was just now is so no more.
  const anew = () => {
    if (!document.hidden) for (const { item, row } of drawn.values()) change(row, item);
  };
  const aging = setInterval(anew, 30000);
  scrolling.addEventListener("scroll", later, { passive: true });
  addEventListener("resize", later, { passive: true });

  const self = {
    element,
    get items() {
      return items;
    },
    /** Others; those that have the same key keep their rows. Unless they are the `whole`, there are more. */
    set(others, whole = true) {
      items = others;
      places = new Map(items.map((item, at) => [key(item), at]));
      all = whole || !more;
      nothing.hidden = items.length > 0 || !whole;
      table.hidden = items.length === 0;
      table.setAttribute("aria-rowcount", whole ? items.length + 1 : -1);
      later();
    },
    get: (name) => items[places.get(name)],
    /** In place of the one with its key. */
    replace(item) {
      const at = places.get(key(item));
      if (at === undefined) return false;
      items[at] = item;
      later();
      return true;
    },
    /** Those in view, as they are by now. */
    anew,
    end() {
      clearInterval(aging);
      scrolling.removeEventListener("scroll", later);
      removeEventListener("resize", later);
    },
  };
  return self;
}

/** A list that ends with its view. */
export function listed(options, signal) {
  const made = list(options);
  signal.addEventListener("abort", made.end, { once: true });
  return made;
}

/** A short table, whole. */
export function table(label, columns, items) {
  return h("table", null, h("caption", { class: "unseen" }, label),
    h("thead", null, h("tr", null, columns.map(({ name, class: kind }) => h("th", { scope: "col", class: kind }, name)))),
    h("tbody", null, items.map((item) => h("tr", null,
      columns.map(({ cell, class: kind }, n) => h(n ? "td" : "th", { class: kind, scope: n ? null : "row" }, cell(item)))))));
}

