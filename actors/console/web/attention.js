// What needs a person, in plain words, and the latest crashes: the side of the tree.

import { html } from "./dom.js";
import { clock } from "./format.js";
import { model } from "./model.js";
import { Actor, Empty } from "./parts.js";

export function Attention() {
  const found = model.attention;
  const crashes = model.crashes.slice(0, 6);
  return html`<section class="card-list">
    <h2>Needs attention now <span class="dim num">${found.length || ""}</span></h2>
    ${found.length === 0 && html`<${Empty} title="Nothing">No actor is stuck, no circuit is open, no budget is near its end.<//>`}
    <ul>${found.slice(0, 20).map((each) => html`<li key=${each.what + each.path + each.name} class=${each.severity > 1 ? "bad" : "warn"}>
      <i aria-hidden="true"></i>
      <div>${subject(each)}<p><b>${each.health}</b>: ${each.detail}</p></div>
    </li>`)}</ul>
    ${found.length > 20 && html`<p class="dim more">and ${found.length - 20} more: filter the tree by Problems</p>`}
  </section>
  <section class="card-list">
    <h2>Latest crashes <a class="dim" href="#/crashes">${model.tot?.crashes ? "all" : ""}</a></h2>
    ${crashes.length === 0 && html`<p class="dim more">None since the start.</p>`}
    <ul class="crashes">${crashes.map((each) => html`<li key=${each.id}>
      <time class="dim num">${clock(each.at)}</time>
      <div><${Actor} path=${each.path} /><p><a class="plain" href=${`#/crashes/${each.id}`}>${each.error}</a></p></div>
    </li>`)}</ul>
  </section>`;
}

function subject(each) {
  if (each.what === "budget") return html`<a class="path" href="#/costs">budget ${each.name}</a>`;
  if (each.what === "loop") return html`<a class="path" href="#/events">${each.name}</a>`;
  return html`<${Actor} path=${each.path} />`;
}
