// The conversations that are open: numbers and names, never what is said in them.

import { html, useState } from "./dom.js";
import { address, count, money, some } from "./format.js";
import { model } from "./model.js";
import { Empty, Pill, State } from "./parts.js";
import { Virtual, narrow } from "./lists.js";

let words = "";

export function SessionsPage() {
  const [, draw] = useState(0);
  const all = model.sessions;
  if (!all) return html`<main class="page"><${Empty} title="Looking">The conversations are on their way.<//></main>`;
  const found = all.filter((each) => `${each.id} ${each.owner ?? ""} ${each.assistant ?? ""} ${each.model ?? ""}`.toLowerCase().includes(words.toLowerCase()));
  const running = all.filter((each) => each.running).length;
  return html`<main class="page fill">
    <div class="page-tools"><input id="filter" type="search" placeholder="Filter by id, owner or assistant" aria-label="Filter" value=${words} onInput=${(event) => { words = event.target.value; draw((n) => n + 1); }} />
      <span class="dim">${some(all.length, "conversation")}${all.length === 500 ? " (the busiest)" : ""}, ${running} with a turn under way</span></div>
    <section class="card fill">
    ${found.length === 0 ? html`<${Empty} title=${all.length ? "None matches" : "No conversation is open"}>${all.length ? "Another word may find one." : "They appear when a client opens one over /acp. Those that are kept: trouper sessions."}<//>` : html`
      <div class="list-head session-grid dim"><span>Conversation</span><span>Whose</span><span>Assistant</span><span>Now</span><span class="r">Turns</span><span class="r">Messages</span><span class="r">Tokens</span><span class="r">Cost</span><span class="r">Listening</span></div>
      <${Virtual} rows=${found} height=${narrow() ? 40 : 30} row=${(each) => html`<a class="list-row session-grid" href=${address("sessions", each.id)}>
        <span class="mono cut">${each.id}</span><span class="cut">${each.owner}</span><span class="cut">${each.assistant}${each.model ? html` <small class="dim">${each.model}</small>` : ""}</span>
        <span class="cut"><${Now} session=${each} /></span>
        <span class="r num">${each.turns ?? ""}</span><span class="r num">${each.messages ?? ""}</span>
        <span class="r num">${each.usage ? count(each.usage.input + each.usage.output) : ""}</span>
        <span class="r num">${each.cost === undefined ? "" : money(each.cost)}${each.unpriced ? html`<small class="dim" title="answers of unknown cost"> +?</small>` : ""}</span>
        <span class="r num dim">${each.listeners || ""}</span></a>`} />`}
    </section></main>`;
}

export function Now({ session }) {
  if (session.asked) return html`<${Pill} tone="warn">asks for a permission<//>`;
  if (session.running) return html`<${Pill} tone="good">turn ${session.running}<//>`;
  const waiting = session.depth ? `${count(session.depth)} waiting` : "";
  if (session.state === "suspended") return html`<${Pill} tone="warn">suspended${waiting && `, ${waiting}`}<//>`;
  if (waiting) return html`<${Pill} tone="warn">${waiting}<//>`;
  if (session.state !== "running") return html`<${State} actor=${{ state: session.state, health: "ok" }} />`;
  return html`<span class="dim">idle</span>`;
}
