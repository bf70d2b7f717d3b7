// One actor, beside the tree: what it does, where it waits, how it crashed, and what can be done.

import { ActButton, may, why } from "./acting.js";
import { listen } from "./connection.js";
import { html, useEffect, useState } from "./dom.js";
import { clock, some, span } from "./format.js";
import { model } from "./model.js";
import { Empty, Pill, State, Traceback } from "./parts.js";

export function ActorPanel({ path, told }) {
  const [whole, setWhole] = useState(false);
  const actor = model.byPath.get(path);
  if (!told) {
    const gone = model.actors.size > 0 && !actor;
    return html`<${Top} path=${path} />
      <${Empty} title=${gone ? "Not there" : "Looking"}>${gone ? "No actor of this path runs now. It may have ended since you followed the link." : "The program is asked about it."}<//>`;
  }
  if (told.path !== path) return html`<${Top} path=${path} />`;
  const crash = told.crashes?.[0];
  const more = told.restarts ? `, ${some(told.restarts, "restart")}` : "";
  return html`<${Top} path=${path} />
    <section class="panel-top">
      <p><${State} actor=${told} /> <${Pill}>${told.kind}<//>${" "}
        <span class="dim">life ${told.gen}${more}, ${some(told.n, "message")} handled${told.err ? `, ${told.err} refused` : ""}</span></p>
      ${told.health !== "ok" && html`<p class="detail">${told.detail}</p>`}
      ${told.stopped && told.health !== "stopped" && html`<p class="detail">stopped: ${told.stopped}</p>`}
      <div class="acts">${acts(told)}</div>
      ${!may("restart") && html`<p class="dim small">${why("restart")}</p>`}
    </section>
    ${crash && html`<section><h3>Last crash, ${clock(crash.at)} <span class="dim">${told.crashes.length} kept</span></h3>
      <p class="error mono">${crash.error}</p>
      <${Traceback} text=${crash.traceback} whole=${whole} onWhole=${() => setWhole(!whole)} />
      <p><a href=${`#/crashes/${crash.id}`}>What had happened before</a></p></section>`}
    ${told.in_hand.length > 0 && html`<section><h3>In hand</h3><${Waits} list=${told.in_hand} /></section>`}
    <${Stack} frames=${told.stack} busy=${told.in_hand.length > 0 || told.state === "suspended"} />
    <section><h3>Mailbox <span class="dim num">${told.cap ? `${told.depth} of ${told.cap}` : "reads none"}${told.cap ? `, ${told.overflow} when full` : ""}</span></h3>
      ${told.mailbox.length ? html`<${Waits} list=${told.mailbox} />` : html`<p class="dim">empty</p>`}</section>
    <${Fields} fields=${told.fields} />
    <${Recent} told=${told} />
    <${Trace} key=${path} path=${path} />`;
}

function Top({ path }) {
  return html`<div class="panel-title"><h2 class="mono">${path}</h2><a href="#/">close</a></div>`;
}

function acts(told) {
  const { path, gen, state } = told;
  // Only a restart brings back one that has stopped.
  const not = state === "stopped" ? "It has stopped already." : "";
  const button = (act, words, danger) => html`<${ActButton} key=${act} act=${act} path=${path} gen=${gen} words=${words} danger=${danger} not=${act === "restart" || act === "loglevel" ? "" : not} />`;
  const circuit = model.providers?.flatMap((each) => each.circuits).find((each) => each.path === path);
  return [
    circuit && html`<${ActButton} key="circuit" act=${circuit.state === "closed" ? "trip" : "reset"} path=${path} model=${circuit.model} words=${circuit.state === "closed" ? "Open the circuit" : "Close the circuit"} />`,
    state === "suspended" ? button("resume", "Resume") : button("suspend", "Suspend"),
    button("drain", "Drain"),
    button("stop", "Stop"),
    button("restart", "Restart", true),
    button("loglevel", "Log level"),
  ];
}

function Waits({ list }) {
  return html`<table class="plain"><tbody>${list.map((each, i) => html`<tr key=${i}><td class="mono">${each.msg}</td><td class="r num dim">${span(each.ms)}</td></tr>`)}</tbody></table>`;
}

const LIBRARY = /(site-packages|lib\/python3|\/runtime\/|\/trio\/)/;

// Where its own code waits; while none of it runs, that is the runtime's.
function Stack({ frames, busy }) {
  const [all, setAll] = useState(false);
  const own = frames.filter((frame) => !LIBRARY.test(frame));
  const shown = all ? frames : own;
  const none = frames.length === 0 ? "It runs no code now." : busy ? "None of its own code runs now." : "It waits for its next message.";
  return html`<section><h3>Waiting at ${own.length < frames.length && html`<button class="link" onClick=${() => setAll(!all)}>${all ? "hide" : "show"} library frames</button>`}</h3>
    ${shown.length ? html`<ol class="stack">${shown.map((frame, i) => {
      const [where, name] = cut(frame);
      return html`<li key=${i} class=${i === shown.length - 1 ? "last" : ""}><span class="mono">${name}</span><span class="mono dim">${where}</span></li>`;
    })}</ol>` : html`<p class="dim">${none}</p>`}</section>`;
}

function cut(frame) {
  const [where, ...name] = frame.split(" ");
  return [where.split("/").slice(-3).join("/"), name.join(" ")];
}

function Fields({ fields }) {
  if (!fields?.length) return null;
  const shown = fields.filter((each) => each.value !== null);
  const rest = fields.filter((each) => each.value === null);
  return html`<section><h3>State</h3>
    ${shown.length > 0 && html`<table class="plain"><tbody>${shown.map((each) => html`<tr key=${each.name}><td class="mono">${each.name}</td><td class="mono break">${each.value}</td></tr>`)}</tbody></table>`}
    ${shown.length === 0 && html`<p class="dim">Its class declares nothing to be shown.</p>`}
    <details><summary class="dim">${some(rest.length, "more field")}, names and types only</summary>
      <p class="mono dim small">${rest.map((each) => `${each.name}: ${each.type}`).join(", ")}</p></details></section>`;
}

function Recent({ told }) {
  const rows = [...told.recent].sort((a, b) => a.ago_ms - b.ago_ms).slice(0, 16);
  return html`<section><h3>Handled since you looked</h3>
    ${rows.length ? html`<table class="plain"><thead><tr><th>Ago</th><th>Message</th><th class="r">Waited</th><th class="r">Ran</th></tr></thead>
      <tbody>${rows.map((each, i) => html`<tr key=${i}><td class="num dim">${span(each.ago_ms)}</td><td class=${`mono ${each.error ? "bad" : ""}`}>${each.msg}${each.error ? `: ${each.error}` : ""}</td><td class="r num">${span(each.wait_ms)}</td><td class="r num">${span(each.ms)}</td></tr>`)}</tbody></table>`
      : html`<p class="dim">Nothing yet: messages of an actor are remembered from the first look on.</p>`}</section>`;
}

const LIMIT = { limit: 200, seconds: 60, rate: 50 };
const ENDS = { limit: `${LIMIT.limit} messages`, time: `${LIMIT.seconds} seconds`, rate: `more than ${LIMIT.rate} a second`, gone: "the actor has ended" };

function Trace({ path }) {
  const [heard, setHeard] = useState(null);
  const [end, setEnd] = useState("");
  const [stop, setStop] = useState(() => () => {});
  useEffect(() => () => stop(), [stop]);
  const begin = () => {
    setHeard([]);
    setEnd("");
    const ended = listen({ op: "trace", path, ...LIMIT }, (frame) => {
      if (frame.t === "trace") setHeard((all) => [...all, frame].slice(-60));
      else setEnd(frame.err?.msg ?? ENDS[frame.why] ?? frame.why);
    });
    setStop(() => ended);
  };
  return html`<section><h3>Trace <button class="link" disabled=${heard !== null && !end} onClick=${begin}>${heard === null ? "begin" : end ? "again" : "running"}</button></h3>
    ${heard === null ? html`<p class="dim">Each message as it is handled, for ${LIMIT.seconds} s or ${LIMIT.limit} messages at most.</p>` : html`<ol class="traced mono">${heard.map((each) => html`<li key=${each.n}><span>${each.msg}</span><span class="dim num">${span(each.wait_ms)} + ${span(each.ms)}</span></li>`)}</ol>
      <p class="dim">${end ? `Ended: ${end}.` : heard.length ? "" : "Nothing yet."}</p>`}</section>`;
}
