// What may be done about all schedules at once, and the configuration: for who administers.

import { h, fill } from "./dom.js";
import { confirm, carryOut } from "./dialog.js";

/** Buttons in `place`; `answer` is where it is told what came of it, and `changed` hears of it. */
export function controls(place, answer, changed) {
  let paused = null;

  async function turn() {
    const off = !paused;
    const text = off
      ? "Nothing comes due until somebody resumes. What is queued goes on, and jobs can be run by hand."
      : "Jobs come due again by their schedules.";
    if (!(await confirm({ title: `${off ? "Pause" : "Resume"} all schedules?`, text, action: off ? "Pause" : "Resume", danger: off }))) return;
    carryOut(pause, off ? "pause" : "resume", {}, () => {
      changed();
      return off ? "All schedules are paused." : "Schedules go on.";
    });
  }

  async function load() {
    const text = "It is read anew, and taken over if nothing is wrong with it. What runs goes on.";
    if (!(await confirm({ title: "Reload the configuration?", text, action: "Reload" }))) return;
    carryOut(reload, "reload", {}, ({ warnings, changes }) => {
      const said = [changes, warnings].map((text) => text.trim()).filter(Boolean).join("\n") || "nothing changed";
      fill(answer, h("div", { class: "notice" },
        h("button", { class: "plain", "aria-label": "Put this notice away", onclick: () => fill(answer) }, "×"),
        "The configuration was reloaded: ", said.includes("\n") ? h("pre", null, said) : said));
      changed();
      return "The configuration was reloaded.";
    });
  }

  const pause = h("button", { onclick: turn });
  const reload = h("button", { onclick: load }, "Reload");

  /** As it is by now. */
  return (is) => {
    paused = is;
    fill(pause, is ? "Resume all schedules" : "Pause all schedules");
    if (!pause.isConnected) place.append(pause, reload);
  };
}
