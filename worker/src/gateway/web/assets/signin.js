// Signing in with a token.

import { h, fill } from "./dom.js";
import { get, signIn } from "./api.js";

export function show(app, why, done) {
  const said = h("p", { class: "error", role: "alert", id: "why" }, why);
  const input = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "why", spellcheck: "false" });
  const button = h("button", { class: "primary", type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    signIn(input.value.trim());
    try {
      done(await get("whoami"));
    } catch (error) {
      signIn(null);
      fill(said, error.message);
      input.select();
    } finally {
      button.disabled = false;
    }
  };
  app.replaceChildren(h("main", { id: "main", class: "signin", tabindex: "-1" },
    h("h1", null, "Loom"),
    h("form", { onsubmit: submit },
      h("label", { for: "token" }, "Token"), input, said, button),
    h("p", { class: "quiet" }, "One is made on the daemon's machine: ", h("code", null, "loom token add NAME --role viewer"), ", or ", h("code", null, "operator"), " for who may also run and cancel. It is kept in your open tabs until you sign out or close the last of them.")));
  input.focus();
}
