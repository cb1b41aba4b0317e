// Who did what.

import { h } from "./dom.js";
import { get } from "./api.js";
import { listed } from "./list.js";
import { clock } from "./time.js";
import { remember } from "./router.js";
import { field, choice } from "./jobs.js";

const ACTIONS = ["run", "exec", "cancel", "retry", "enable", "disable", "pause", "resume", "reload", "stop", "drain", "token add", "token revoke"];

export async function audit(main, { query, signal }) {
  const who = h("input", { id: "f-who", type: "search", "data-filter": true, placeholder: "a user, or token:NAME", value: query.get("who") ?? "", spellcheck: "false", autocomplete: "off" });
  const action = choice("f-action", ["", "any"], ACTIONS.map((word) => [word, word]), query.get("action"));
  main.append(h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() }, field("Who", who), field("What", action)));
  let items = [];
  let cursor;
  let turn = 0;
  const rows = listed({
    label: "Audit",
    key: (entry) => entry.id,
    empty: "Nobody has done that.",
    more: () => load(false),
    columns: [
      { name: "When", class: "middle", cell: (entry) => h("time", { datetime: entry.at }, clock(entry.at, true)) },
      { name: "Who", class: "middle", cell: (entry) => entry.who },
      { name: "What", class: "middle", cell: (entry) => entry.action },
      { name: "To", class: "wide", cell: (entry) => entry.subject },
      { name: "Detail", class: "wide minor", cell: (entry) => entry.detail ?? "" },
      { name: "Via", class: "minor narrow", cell: (entry) => entry.via },
    ],
  }, signal);
  main.append(rows.element);

  async function load(anew) {
    const own = anew ? ++turn : turn;
    const page = await get("audit", { who: who.value.trim(), action: action.value, limit: anew ? 100 : 500, cursor: anew ? undefined : cursor }, signal);
    if (own !== turn) return true;
    items = anew ? page.items : items.concat(page.items);
    cursor = page.next;
    rows.set(items, !cursor);
    return Boolean(cursor);
  }
  let typing = 0;
  const reload = () => {
    remember({ who: who.value.trim(), action: action.value });
    load(true);
  };
  who.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(reload, 250);
  });
  action.addEventListener("change", reload);
  await load(true);
}
