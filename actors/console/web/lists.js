// The pages that are lists: events, dead letters, crashes; and the list that has few rows at once.

import { ActButton } from "./acting.js";
import { ask } from "./connection.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./dom.js";
import { ago, clock, count, some } from "./format.js";
import { model } from "./model.js";
import { Actor, Choice, Empty, Pill, Traceback, windowOf } from "./parts.js";

export function Virtual({ rows, height, row, follow = false }) {
  const scroller = useRef();
  const [, scrolled] = useState(0);
  useLayoutEffect(() => {
    if (follow) scroller.current.scrollTop = 0;
    scrolled((n) => n + 1);
  }, [rows.length > 0]);
  const { first, last } = windowOf(scroller.current, rows.length, height);
  return html`<div class="virtual" ref=${scroller} tabindex="0" onScroll=${() => scrolled((n) => n + 1)}>
    <div class="tall" style=${{ height: `${rows.length * height}px` }}>
      ${rows.slice(first, last).map((each, i) => html`<div key=${each.id ?? each.n ?? first + i} class="at" style=${{ top: `${(first + i) * height}px`, height: `${height}px` }}>${row(each)}</div>`)}
    </div></div>`;
}

// A row has two lines there; pages.css lays them out.
export const narrow = () => innerWidth <= 760;

const seen = { words: "", level: "all", held: null };
const LEVELS = { all: null, notable: new Set(["warning", "error"]), errors: new Set(["error"]) };

export function EventsPage() {
  const [, draw] = useState(0);
  const set = (key, value) => {
    seen[key] = value;
    draw((n) => n + 1);
  };
  const all = seen.held ?? model.events;
  const levels = LEVELS[seen.level];
  const words = seen.words.toLowerCase();
  const found = all.filter((each) => (!levels || levels.has(each.level)) && `${each.msg} ${each.path} ${each.detail}`.toLowerCase().includes(words)).reverse();
  return html`<main class="page fill">
    <div class="page-tools"><input id="filter" type="search" placeholder="Filter by words or path" aria-label="Filter" value=${seen.words} onInput=${(event) => set("words", event.target.value)} />
      <${Choice} label="Level" value=${seen.level} onChoose=${(key) => set("level", key)} options=${[["all", "All"], ["notable", "Warnings and errors"], ["errors", "Errors"]]} />
      <button aria-pressed=${seen.held !== null} onClick=${() => set("held", seen.held ? null : model.events)}>${seen.held ? "Follow again" : "Hold still"}</button>
      <span class="dim">${some(found.length, "event")}${seen.held ? `, ${count(model.events.at(-1).n - (seen.held.at(-1)?.n ?? 0))} new since` : ", the last one first"}</span></div>
    <section class="card fill" role="log" aria-label="Events">
    ${found.length === 0 ? html`<${Empty} title="Nothing">${all.length ? "No event matches." : "Nothing has happened since the start that is of note."}<//>` : html`<${Virtual} rows=${found} height=${narrow() ? 44 : 26} row=${(each) => html`<div class="list-row event-grid"><time class="num dim">${clock(each.at)}</time><b class=${`level ${each.level}`}>${each.level}</b><span>${each.msg}</span><span class="cut">${each.path && html`<${Actor} path=${each.path} />`}</span><span class="cut" title=${each.detail}>${each.detail}</span></div>`} />`}
    </section></main>`;
}

const REASONS = {
  overflow: "the mailbox was full", down: "the actor was down", stopped: "the actor had stopped", unavailable: "nobody was there to take it",
  crashed: "it crashed its actor", refused: "it was refused", unknown: "no such actor",
};

export function DeadPage() {
  const found = [...model.dead].reverse();
  const by = Object.entries(model.tot?.dead_by ?? {}).filter(([, number]) => number);
  return html`<main class="page fill">
    <div class="page-tools">${by.map(([reason, number]) => html`<${Pill} key=${reason} tone="warn">${reason} <span class="num">${count(number)}</span><//>`)}
      <span class="dim">${model.tot.dead ? "messages that nobody handled, since the start; the last ones first" : ""}</span></div>
    <section class="card fill">
    ${found.length === 0 ? html`<${Empty} title="No dead letter">Every message that was sent has been handled, or still waits for it.<//>` : html`<div class="list-head dead-grid dim"><span>At</span><span>To</span><span>Message</span><span>Why nobody handled it</span><span></span></div>
      <${Virtual} rows=${found} height=${narrow() ? 52 : 34} row=${(each) => html`<div class="list-row dead-grid"><time class="num dim">${clock(each.at)}</time><span class="cut"><${Actor} path=${each.path} /></span><span class="mono cut">${each.msg}</span><span class="cut">${REASONS[each.reason] ?? each.reason}</span>
        <span class="r small acts">${each.resent ? html`<span class="dim">sent again</span>` : html`<${ActButton} act="resend" path=${each.path} letter=${each} words="Send again" />`}</span></div>`} />`}
    </section></main>`;
}

export function CrashesPage() {
  const found = model.crashes;
  return html`<main class="page fill">
    <div class="page-tools"><span class="dim">${found.length ? `${some(model.tot.crashes, "crash", "crashes")} since the start, the last five of each actor are kept` : ""}</span></div>
    <section class="card fill">
    ${found.length === 0 ? html`<${Empty} title="No crash">No actor has crashed since the start. Those of earlier runs: trouper crashes.<//>` : html`<div class="list-head crash-grid dim"><span>At</span><span>Actor</span><span>Error</span><span>In hand</span><span class="r">Life</span></div>
      <${Virtual} rows=${found} height=${narrow() ? 48 : 30} row=${(each) => html`<a class="list-row crash-grid" href=${`#/crashes/${each.id}`}><time class="num dim">${clock(each.at)}</time><span class="mono cut">${each.path}</span><span class="cut error" title=${each.error}>${each.error}</span><span class="mono cut">${each.message ?? ""}</span><span class="r num">${each.life}</span></a>`} />`}
    </section></main>`;
}

export function CrashPage({ rest }) {
  const short = model.crashes.find((each) => each.id === rest);
  const [told, setTold] = useState(null);
  const [whole, setWhole] = useState(false);
  const [fault, setFault] = useState("");
  useEffect(() => {
    if (!short) return;
    ask({ op: "inspect", path: short.path, want: ["crashes"] }).then(
      (frame) => setTold(frame.crashes.find((each) => each.id === rest) ?? null),
      (error) => setFault(error.msg),
    );
  }, [rest, Boolean(short)]);
  const crash = told ?? short;
  const back = html`<div class="crumbs"><a href="#/crashes">Crashes</a><span class="dim">/</span><h1 class="mono">${rest}</h1></div>`;
  if (!crash) return html`<main class="page">${back}<${Empty} title="Not kept any more">Of each actor the last five crashes are kept in memory; all are in the file beside the store: trouper crashes.<//></main>`;
  return html`<main class="page">${back}
    <section class="card">
      <p class="error big mono">${crash.error}</p>
      <dl class="facts-row">
        <div><dt>Actor</dt><dd><${Actor} path=${crash.path} /></dd></div>
        <div><dt>Class</dt><dd class="mono">${crash.kind}</dd></div>
        <div><dt>When</dt><dd class="num">${clock(crash.at)}, ${ago(crash.at)}</dd></div>
        <div><dt>Life</dt><dd class="num">${crash.life}</dd></div>
        <div><dt>In hand</dt><dd class="mono">${crash.message ?? "nothing"}</dd></div>
      </dl>
      ${fault && html`<p class="dim">The rest is not to be had: ${fault}. All of it is in the crash file.</p>`}
      ${told && html`<${Traceback} text=${told.traceback} whole=${whole} onWhole=${() => setWhole(!whole)} />`}
    </section>
    ${told?.supervisor && html`<section class="card"><h2>Who restarts it</h2>
      <p>${told.supervisor.path ? html`<${Actor} path=${told.supervisor.path} />` : "The system itself"}, ${told.supervisor.strategy}: it takes ${some(told.supervisor.restarts, "restart", "restarts")} in ${told.supervisor.period} s, and had used ${told.supervisor.used}.</p>
      ${told.siblings.length > 0 && html`<p class="dim">Beside it, at that moment:</p><ol class="before mono">${told.siblings.map((line, i) => html`<li key=${i}>${line}</li>`)}</ol>`}</section>`}
    ${told?.before.length > 0 && html`<section class="card"><h2>What had happened before</h2><ol class="before mono">${told.before.map((line, i) => html`<li key=${i}>${line}</li>`)}</ol></section>`}
    ${told && html`<p class="dim">${told.versions}</p>`}
  </main>`;
}
