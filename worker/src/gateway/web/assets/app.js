// The frame around all views: who looks, where one can go, and whether news arrive.

import { h, fill, clean, complain } from "./dom.js";
import { borrow, get, isSignedIn, Problem, signIn, signOut, whenRefused, whenSignedOut } from "./api.js";
import { follow } from "./events.js";
import { route, start, stop, go } from "./router.js";
import * as signin from "./signin.js";

const app = document.getElementById("app");
const ROLES = ["viewer", "operator", "admin"];
let living = new AbortController();
let started = false;
let me = null;
// Shows the view anew that could not be shown because nobody answered.
let anew = null;

// A view is fetched when it is first gone to; by then Loom may have been upgraded.
const from = (name) => async (main, with_) => {
  let view;
  try {
    view = await import(`./${name}.js`);
  } catch (error) {
    const page = await fetch(document.baseURI, { cache: "no-store" }).then((answer) => answer.text(), () => {
      // A browser may remember that the file was not to be had.
      throw new Problem(0, "The daemon cannot be reached.", () => location.reload());
    });
    if (page.includes(`/${import.meta.url.split("/").at(-2)}/`)) throw error;
    return location.reload();
  }
  // Meanwhile somebody may have gone on.
  if (!with_.signal.aborted) return view[name](main, with_);
};

route("", () => "Overview", from("overview"));
route("jobs", () => "Jobs", from("jobs"));
route("jobs/:name", ({ name }) => name, from("job"));
route("runs", () => "Runs", from("runs"));
route("runs/:id", ({ id }) => `Run ${id}`, from("run"));
route("nodes", () => "Nodes", from("nodes"));
route("nodes/:name", ({ name }) => name, from("node"));
route("audit", () => "Audit", from("audit"));

function leave(why) {
  living.abort();
  stop();
  signIn(null);
  me = null;
  document.title = "Loom";
  signin.show(app, why, enter);
}

function enter(who) {
  const at_least = (role) => ROLES.indexOf(who.role) >= ROLES.indexOf(role);
  const all = who.jobs.length === 0;
  me = { ...who, operates: at_least("operator"), administers: at_least("admin") && all };
  living = new AbortController();
  const links = [["#/", "Overview"], ["#/jobs", "Jobs"], ["#/runs", "Runs"], ["#/nodes", "Nodes"]];
  if (me.administers) links.push(["#/audit", "Audit"]);
  const live = h("span", { class: "live", role: "status" }, "connecting");
  app.replaceChildren(
    h("header", null,
      h("a", { class: "brand", href: "#/" }, "Loom"),
      h("nav", { "aria-label": "Views" }, links.map(([href, name]) => h("a", { href }, name))),
      h("div", { class: "who" }, live,
        h("span", { class: "quiet" }, `${who.name} · ${who.role}${all ? "" : ` · ${who.jobs.join(", ")}`}`),
        isSignedIn() && h("button", { class: "plain", onclick: () => { signOut(); leave(""); } }, "Sign out"))),
    h("main", { id: "main", tabindex: "-1" }));
  follow(living.signal, (is) => {
    fill(live, is ? "live" : "reconnecting");
    live.classList.toggle("off", !is);
    if (is) anew?.();
  }).catch((error) => fill(live, error.message));
  if (started) go();
  else start(render);
  started = true;
}

async function render(found, signal) {
  const main = document.getElementById("main");
  if (!me || !main) return;
  document.title = found ? `${clean(found.title)} · Loom` : "Loom";
  const path = location.hash.split("?")[0].split("/")[1] ?? "";
  for (const link of app.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${path}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const before = document.activeElement;
  anew = null;
  fill(main, found ? h("h1", null, found.title) : [h("h1", null, "There is no such page"), h("p", null, h("a", { href: "#/" }, "Overview"))]);
  scrollTo(0, 0);
  // Who came by a link begins at the top of what it led to.
  if (before && !before.isConnected) main.focus({ preventScroll: true });
  if (!found) return;
  try {
    await found.view(main, { ...found, me, signal });
  } catch (error) {
    if (signal.aborted) return;
    main.append(h("div", { class: "notice bad", role: "alert" }, error.message));
    if (error.status === 0) anew = error.remedy ?? go;
  }
}

addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, dialog")) return;
  const filter = document.querySelector("[data-filter]");
  if (!filter) return;
  event.preventDefault();
  filter.focus();
  filter.select();
});

addEventListener("unhandledrejection", ({ reason }) => {
  if (me && reason?.name !== "AbortError") complain(reason);
});

whenRefused((why) => {
  if (me) leave(why.message);
});
whenSignedOut(() => {
  if (me) leave("You have signed out in another tab.");
});

// What a tab that answers at all mostly needs; who has none does not wait for longer to see the form.
const SOON = 50;

async function begin() {
  const known = isSignedIn();
  // Another tab may know the token. It is asked while the daemon is.
  const lent = known ? Promise.resolve(null) : borrow();
  try {
    return enter(await get("whoami"));
  } catch (error) {
    if (error.status !== 401 || known) return leave(error.message);
  }
  const late = new Promise((done) => setTimeout(done, SOON, null));
  if (!(await Promise.race([lent, late]))) leave("");
  const token = await lent;
  if (!token || me) return;
  signIn(token);
  try {
    enter(await get("whoami"));
  } catch (error) {
    leave(error.message);
  }
}

begin();
