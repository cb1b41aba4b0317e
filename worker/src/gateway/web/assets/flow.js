// A flow's slots as a picture: what stands beside each other in a column, one column after another.

import { h } from "./dom.js";
import { to } from "./router.js";
import { badge } from "./state.js";
import { took } from "./time.js";
import { progress } from "./overview.js";

const FOLLOWS = {
  stop: "else the flow stops",
  continue: "else the flow goes on",
  rescue: "else it is rescued, and the flow goes on",
  rescue_and_stop: "else it is rescued, and the flow stops",
};

export function slots(all) {
  return h("ol", { class: "slots", tabindex: "0", "aria-label": "Slots of the flow" }, all.map((parts, n) =>
    h("li", { class: "slot" }, h("h3", null, `Slot ${n + 1}`),
      h("ul", null, parts.map((part) => h("li", null, box(part)))))));
}

function box(part, rescues) {
  const { run } = part;
  const word = run ? run.state : "not begun";
  const kind = run ? run.state : "none";
  return h("div", { class: `part p-${kind}` },
    h("p", { class: "name" }, rescues && h("span", { class: "quiet" }, "rescue: "), run ? h("a", { href: to("runs", run.id) }, part.job) : part.job),
    part.command && h("p", null, h("code", null, part.command)),
    h("p", null, badge(run ? word : "skipped", word), run?.started_at && h("span", { class: "quiet" }, ` ${took(run)}`)),
    run && run.units.total > 0 && h("p", null, progress(run)),
    h("p", { class: "quiet" }, `${part.needed} of ${part.targets.length} must succeed, ${FOLLOWS[part.on_failure] ?? part.on_failure}`),
    part.rescued_by ? box(part.rescued_by, true) : part.rescue && h("p", { class: "quiet" }, `rescue: ${part.rescue.job}`));
}
