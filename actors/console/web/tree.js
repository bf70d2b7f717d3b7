// The tree: all actors, in rows that scroll; and beside it what needs attention, or one actor.

import { ActorPanel } from "./actor.js";
import { Attention } from "./attention.js";
import { look } from "./connection.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./dom.js";
import { address, clock, rate, share, span } from "./format.js";
import { changed, model } from "./model.js";
import { Actor, Choice, Pill, Spark, State, windowOf } from "./parts.js";
import { circuitTag } from "./providers.js";
import { cells, grade, isOpen, rowsOf } from "./rows.js";

const HEIGHT = 25;
const FROZEN = 3; // seconds for which a sorted list keeps its order

const view = { words: "", show: "all", sort: "tree", opened: new Map() };
let rows = [];
let made = "";


function remake() {
  const active = view.show !== "all" || view.sort !== "tree";
  const moment = active ? Math.floor(model.second / FROZEN) : 0;
  const key = [view.words, view.show, view.sort, model.shape, view.opened.size, view.turned, moment, model.attention.length].join();
  if (key === made) return;
  made = key;
  rows = rowsOf(view);
}

function turn(path) {
  view.opened.set(path, !isOpen(view.opened, path));
  view.turned = (view.turned ?? 0) + 1;
  changed();
}

function choose(path) {
  location.hash = path ? address("actors", path) : "#/";
}

export function TreePage({ rest }) {
  const scroller = useRef();
  const [, scrolled] = useState(0);
  const [told, setTold] = useState(null);
  useEffect(() => {
    setTold(null);
    const seen = (frame) => {

      setTold(frame);
    };
    look({ topics: ["tree", "providers", "requests"], watch: rest || null, seen: rest ? seen : () => {} });
  }, [rest]);
  remake();
  useLayoutEffect(() => reveal(scroller.current, rest), [rest, model.actors.size > 0]);
  useEffect(() => keyboard(scroller, rest), [rest]);
  const { first, last } = windowOf(scroller.current, rows.length, HEIGHT, 50);
  return html`<main class=${`tree-page ${rest ? "one" : ""}`}>
    <div class="tree-side"><${Tools} /><${ActorMap} chosen=${rest} />
      <div class="tree-head tree-grid" aria-hidden="true">
        <span>Actor</span><span>State</span><span>Mailbox, 60 s</span><span class="r">Waiting</span><span class="r">Msg/s</span><span class="r">Busy</span><span class="r">Oldest</span><span class="r">Restarts</span>
      </div>
      <div class="tree-rows" role="tree" aria-label="Actors" tabindex="0" ref=${scroller} onScroll=${() => scrolled((n) => n + 1)}>
        ${rows.length === 0 && html`<p class="none dim">${none()}</p>`}
        <div class="tall" style=${{ height: `${rows.length * HEIGHT}px` }}>
          ${rows.slice(first, last).map((row, i) => html`<${Row} key=${row.actor.path} row=${row} at=${first + i} chosen=${row.actor.path === rest} />`)}
        </div>
      </div>
      <${Log} />
    </div>
    <aside class="side">${rest ? html`<${ActorPanel} path=${rest} told=${told} />` : html`<${Attention} />`}</aside>
  </main>`;
}

function none() {
  if (model.actors.size === 0) return "The actors are on their way.";
  if (view.show === "problems") return "No actor has a problem.";
  return "No actor matches.";
}

function Tools() {
  const set = (key) => (value) => {
    view[key] = value;
    changed();
  };
  return html`<div class="tree-tools">
    <input id="filter" type="search" placeholder="Filter by path or class" aria-label="Filter" value=${view.words} onInput=${(event) => set("words")(event.target.value)} />
    <${Choice} label="Which" value=${view.show} onChoose=${set("show")} options=${[["all", "All"], ["problems", "Problems"], ["active", "Active"]]} />
    <${Choice} label="Order" value=${view.sort} onChoose=${set("sort")} options=${[["tree", "Tree order"], ["mailbox", "Mailbox"], ["rate", "Msg/s"], ["oldest", "Oldest"], ["restarts", "Restarts"]]} />
  </div>`;
}

function Row({ row, at, chosen }) {
  const { actor, level, flat } = row;
  const sum = flat ? null : actor.sum;
  const open = sum && (view.words || view.show !== "all" || isOpen(view.opened, actor.path));
  const late = Math.max(actor.oldest_ms, actor.cur_ms);
  const full = actor.cap && actor.depth >= actor.cap;
  return html`<div class=${`row tree-grid ${chosen ? "chosen" : ""} ${sum ? "group" : ""}`} role="treeitem" aria-level=${level + 1} aria-expanded=${sum ? Boolean(open) : undefined} aria-selected=${chosen}
      style=${{ top: `${at * HEIGHT}px` }} onClick=${() => choose(actor.path)}>
    <span class="who" style=${{ paddingLeft: `${10 + level * 14}px` }}>
      <button class="turn" tabindex="-1" aria-hidden="true" onClick=${(event) => { event.stopPropagation(); turn(actor.path); }}>${sum ? (open ? "▾" : "▸") : ""}</button>
      <span class="name">${flat ? actor.path : actor.name}</span>
      <small class="dim">${sum ? `${actor.strategy ?? actor.kind}, ${sum.actors}` : actor.kind}</small>
      <${Tag} path=${actor.path} />
      ${sum?.ill > 0 && html`<${Pill} tone="bad">${sum.ill} unwell<//>`}
    </span>
    <span><${State} actor=${actor} /></span>
    <span class="line"><${Spark} values=${sum ? actor.trail : actor.hist} tone=${full ? "bad" : ""} top=${sum ? 4 : Math.min(actor.cap || 8, 16)} /></span>
    <span class=${`r num ${full ? "bad" : sum?.depth || actor.depth ? "" : "dim"}`}>${sum ? sum.depth : actor.cap ? html`${actor.depth}<small class="dim">/${actor.cap}</small>` : ""}</span>
    <span class=${`r num ${(sum?.rate ?? actor.rate) ? "" : "dim"}`}>${sum ? rate(sum.rate) : actor.cap ? rate(actor.rate) : ""}</span>
    <span class=${`r num ${actor.busy > 0.9 && actor.depth ? "warn" : "dim"}`}>${sum || !actor.cap ? "" : share(actor.busy)}</span>
    <span class=${`r num ${actor.health === "stuck" || actor.health === "mailbox full" ? "bad" : actor.health === "backlogged" ? "warn" : "dim"}`}>${late ? span(late) : ""}</span>
    <span class=${`r num ${(sum?.restarts ?? actor.restarts) ? "" : "dim"}`}>${sum ? sum.restarts + actor.restarts : actor.restarts}</span>
  </div>`;
}

// What the gates and connections of the providers are about, beside their names.
function Tag({ path }) {
  const found = tags().get(path);
  return found ? html`<${Pill} tone=${found[0]}>${found[1]}<//>` : null;
}

let tagged = { providers: null, requests: null, map: new Map() };

function tags() {
  if (tagged.providers === model.providers && tagged.requests === model.requests) return tagged.map;
  const map = new Map();
  for (const provider of model.providers ?? []) {
    for (const each of provider.circuits) map.set(each.path, circuitTag(each));
    for (const each of provider.limiters) {
      const left = ["requests", "tokens", "input_tokens", "output_tokens"].filter((key) => each[key]).map((key) => Math.max(0, each[key].level / each[key].capacity));
      if (each.waiting) map.set(each.path, ["warn", `${each.waiting} waiting`]);
      else if (left.length) map.set(each.path, [Math.min(...left) < 0.1 ? "warn" : "", `${share(Math.min(1, ...left))} left`]);
    }
    const phases = {};
    for (const each of model.requests ?? []) if (each.provider === provider.name) phases[each.phase] = (phases[each.phase] ?? 0) + 1;
    const words = ["sent", "streaming"].filter((phase) => phases[phase]).map((phase) => `${phases[phase]} ${phase}`).join(", ");
    if (words) map.set(`${provider.path}/connection`, ["accent", words]);
  }
  tagged = { providers: model.providers, requests: model.requests, map };
  return map;
}

// One square an actor, by the first part of its path.
function ActorMap({ chosen }) {
  if (model.actors.size === 0) return null;
  const groups = cells();
  return html`<div class="map" aria-hidden="true">${groups.map((group) => html`<div key=${group.name}>
    <span class="dim">${group.name} <span class="num">${group.actors}</span>${group.each > 1 && html`<small> ${group.each} to a cell, the worst shown</small>`}</span>
    <${Squares} group=${group} chosen=${chosen} />
  </div>`)}</div>`;
}

const SIDE = 11;
const ROWS = 3;

function Squares({ group, chosen }) {
  const canvas = useRef();
  const wide = Math.ceil(group.cells.length / ROWS) * SIDE;
  useLayoutEffect(() => paint(canvas.current, group, chosen, wide));
  const pick = (event) => {
    const at = Math.floor(event.offsetX / SIDE) * ROWS + Math.floor(event.offsetY / SIDE);
    if (group.cells[at]) choose(group.cells[at].path);
  };
  const name = (event) => {
    const at = Math.floor(event.offsetX / SIDE) * ROWS + Math.floor(event.offsetY / SIDE);
    const actor = group.cells[at];
    event.target.title = actor ? `${actor.path}: ${actor.health === "ok" ? actor.state : actor.detail}` : "";
  };
  return html`<canvas ref=${canvas} onClick=${pick} onMouseMove=${name} style=${{ width: `${wide}px`, height: `${ROWS * SIDE}px` }}></canvas>`;
}

function paint(canvas, group, chosen, wide) {
  const key = group.cells.map((actor) => grade(actor)).join("") + chosen + document.documentElement.dataset.theme + matchMedia("(prefers-color-scheme: dark)").matches;
  if (canvas.painted === key) return;
  canvas.painted = key;
  const dense = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [wide * dense, ROWS * SIDE * dense];
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name);
  const brush = canvas.getContext("2d");
  brush.scale(dense, dense);
  group.cells.forEach((actor, i) => {
    const of = grade(actor);
    brush.fillStyle = of >= 20 ? colour("--bad") : of >= 9 ? colour("--warn") : of === 3 ? colour("--good") : of === 2 ? colour("--good-mid") : colour("--cell");
    const [x, y] = [Math.floor(i / ROWS) * SIDE, (i % ROWS) * SIDE];
    brush.beginPath();
    brush.roundRect(x, y, SIDE - 2, SIDE - 2, 1.5);
    brush.fill();
    if (actor.path === chosen) {
      brush.strokeStyle = colour("--accent");
      brush.lineWidth = 2;
      brush.stroke();
    }
  });
}

function Log() {
  const last = model.events.filter((each) => each.level !== "debug").slice(-40);
  const list = useRef();
  useLayoutEffect(() => {
    list.current.scrollTop = list.current.scrollHeight;
  }, [last.at(-1)?.n]);
  return html`<div class="log" role="log" aria-label="Events" ref=${list}>
    ${last.map((each) => html`<div key=${each.n} class="log-line"><time class="dim">${clock(each.at)}</time><b class=${each.level}>${each.level}</b><span>${each.msg}</span><${Actor} path=${each.path} /><span>${each.detail}</span></div>`)}
    ${last.length === 0 && html`<p class="dim none">Nothing of note has happened since the start.</p>`}
  </div>`;
}

// Whoever is chosen, anywhere, is opened and scrolled to.
function reveal(scroller, path) {
  if (!path || !scroller) return;
  for (let up = model.byPath.get(path)?.up; up; up = model.byPath.get(up)?.up) {
    if (!isOpen(view.opened, up)) turn(up);
  }
  remake();
  const at = rows.findIndex((row) => row.actor.path === path);
  if (at < 0) return;
  const top = at * HEIGHT;
  if (top < scroller.scrollTop || top > scroller.scrollTop + scroller.clientHeight - HEIGHT)
    scroller.scrollTop = top - scroller.clientHeight / 2;
}

function keyboard(scroller, path) {
  const pressed = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("dialog[open]")) return;
    const at = rows.findIndex((row) => row.actor.path === path);
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
    if (step) {
      const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
      if (next) choose(next.actor.path);
    } else if ((event.key === "l" || event.key === "ArrowRight" || event.key === "h" || event.key === "ArrowLeft") && at >= 0) {
      const open = event.key === "l" || event.key === "ArrowRight";
      const actor = rows[at].actor;
      if (actor.sum && isOpen(view.opened, path) !== open) turn(path);
      else if (!open && actor.up) choose(actor.up);
    } else if (event.key === "Escape" && path) choose("");
    else return;
    event.preventDefault();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
