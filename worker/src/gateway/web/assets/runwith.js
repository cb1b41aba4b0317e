// Running a job otherwise than it is written: on other nodes, with other arguments.

import { h } from "./dom.js";
import { part, post } from "./api.js";
import { to } from "./router.js";
import { fillIn } from "./dialog.js";

const SHOWN = 8;

export function runWith(job, me) {
  const free = me.role === "admin";
  const own = job.targets.length > SHOWN ? `its ${job.targets.length} nodes` : job.targets.join(", ");
  const on = h("input", { id: "with-on", placeholder: own, "aria-describedby": "with-on-how", spellcheck: "false", autocomplete: "off" });
  const args = h("textarea", { id: "with-args", rows: "3", placeholder: "NAME=VALUE", "aria-describedby": "with-args-how", spellcheck: "false", autocomplete: "off" });
  const field = (input, name, how) => h("div", { class: "field" }, h("label", { for: input.id }, name), input, h("p", { class: "quiet", id: `${input.id}-how` }, how));
  fillIn({
    title: `Run ${job.name} with…`,
    text: "For this once. What is left empty is as it is written.",
    action: "Run it",
    fields: [
      field(on, "On", ["Names, host sets as ", h("code", null, "db[1-4]"), " or tags as ", h("code", null, "@web"), ", with commas between them.", !free && " They have to be among its own nodes."]),
      free && field(args, "Keyword arguments", ["One a line, laid over those of the job. ", h("code", null, "3"), " is a number, ", h("code", null, "\"3\""), " a text; lists and mappings as JSON."])],
    work: async () => {
      const wanted = { args: read(args.value) };
      if (on.value.trim()) wanted.on = on.value.trim();
      const started = await post(`jobs/${part(job.name)}/run`, wanted);
      if (!started.run) throw new Error("It still runs there; nothing was started.");
      location.hash = to("runs", started.run);
    },
  });
}

/** Lines of `NAME=VALUE`. */
export function read(text) {
  const args = {};
  for (const line of text.split("\n").map((line) => line.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(`“${line}”: write NAME=VALUE, the name of one of the task's parameters.`);
    const name = line.slice(0, at).trim();
    if (Object.hasOwn(args, name)) throw new Error(`${name} is given twice.`);
    Object.defineProperty(args, name, { value: value(line.slice(at + 1).trim()), enumerable: true });
  }
  return args;
}

/** As the command line reads the commonest: numbers, truth and nothing; lists and mappings as JSON has them; else a text. */
function value(text) {
  if (/^'.*'$/s.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  const plain = /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?)$/.test(text);
  if (!plain && !/^["[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${text} is no JSON; to pass it as text, put it in single quotes.`);
  }
}
