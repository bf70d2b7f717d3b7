// The keyboard, for all pages; the tree has keys of its own besides.

import { signOut } from "./connection.js";
import { html, useEffect, useRef } from "./dom.js";

const KEYS = [
  ["j, k", "next, previous actor"],
  ["l, h", "open, close a group; up to the supervisor"],
  ["Esc", "back to the list"],
  ["/", "filter"],
  ["g then t, p, s, c, e, d, x", "tree, providers, sessions, costs, events, dead letters, crashes"],
  ["m", "light, dark, or as the system has it"],
  ["?", "this"],
];

export function keys(pages, { help, dress }) {
  let going = 0;
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const writing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (writing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (performance.now() - going < 1500) {
      const found = Object.entries(pages).find(([, page]) => page.key === event.key);
      going = 0;
      if (found) {
        location.hash = `#/${found[0]}`;
        event.preventDefault();
        return;
      }
    }
    if (event.key === "g") going = performance.now();
    else if (event.key === "?") help();
    else if (event.key === "m") dress();
    else if (event.key === "/") document.getElementById("filter")?.focus();
    else return;
    event.preventDefault();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

export function Help({ onClose }) {
  const dialog = useRef();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} onClose=${onClose} class="help" aria-label="Keys">
    <h2>Keys</h2>
    <dl>${KEYS.map(([key, words]) => html`<dt key=${key}>${key}</dt><dd>${words}</dd>`)}</dl>
    <div class="buttons"><button class="narrow" onClick=${signOut}>End this visit</button><button class="primary" onClick=${() => dialog.current.close()}>Close</button></div>
  </dialog>`;
}
