// What the view in the address is made of is fetched from the beginning on, all at once. Without this
// a browser learns of each file from the one that wants it, and asks for one after the other. Of the
// overview, and what all views want, the page itself says so.

const FILES = {
  jobs: "filters jobs",
  job: "cells dialog filters flow job plot runs runwith why",
  runs: "filters runs",
  run: "act compare dialog flow follow output panes run units why",
  nodes: "atwork filters nodes",
  node: "atwork cells filters node nodes",
  audit: "audit filters",
};

const [, place, one] = location.hash.split("?")[0].split("/");
const view = one ? place.slice(0, -1) : place;
if (Object.hasOwn(FILES, view)) {
  for (const file of FILES[view].split(" ")) {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = new URL(`${file}.js`, import.meta.url).href;
    document.head.append(link);
  }
  // It is ready by the time that the daemon has said who this is. What goes wrong shows when it is
  // gone to.
  import(`./${view}.js`).catch(() => {});
}
