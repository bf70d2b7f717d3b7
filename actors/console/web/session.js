// One conversation, turn by turn, as it goes on: who, how much, at what cost. What was said is
// shown to admins who ask for it, and that is written down.

import { follow } from "./connection.js";
import { html, useEffect, useState } from "./dom.js";
import { address, clock, count, money, some } from "./format.js";
import { model } from "./model.js";
import { Empty, Pill } from "./parts.js";
import { InFlight } from "./providers.js";
import { Now } from "./sessions.js";

const TURNS = 100; // as many as the feed tells of

// What is known after one frame more.
function after(told, frame) {
  if (frame.t === "session") return frame;
  const turns = new Map(told.turns.map((turn) => [turn.number, turn]));
  for (const { count, ...turn } of frame.turns) {
    const steps = [...(turns.get(turn.number)?.steps ?? [])];
    for (const { at, more, ...step } of turn.steps) {
      if (more === undefined) steps[at] = step;
      else steps[at] = { ...steps[at], ...step, text: steps[at].text === null ? null : steps[at].text + more };
    }
    turns.set(turn.number, { ...turn, steps: steps.slice(0, count) });
  }
  const all = [...turns.values()];
  const kept = all.slice(-TURNS);
  return { ...told, ...frame, turns: kept, earlier: told.earlier + all.length - kept.length };
}

// The conversation, as it is told; again from the beginning when a page is looked at again.
function useConversation(session, text) {
  const [told, setTold] = useState(null);
  const [fault, setFault] = useState("");
  const live = model.status === "live";
  useEffect(() => {
    if (!live) return;
    return follow({ session, text, hz: 5 }, (frame) => {
      if (frame.t === "err") return setFault(frame.err.msg);
      setFault("");
      setTold((now) => after(now, frame));
    });
  }, [session, text, live]);
  return { told, fault };
}

export function SessionPage({ rest }) {
  const admin = model.hello?.role === "admin";
  const [reading, setReading] = useState(false);
  const { told, fault } = useConversation(rest, reading && admin);
  if (!told) return html`<main class="page"><${Back} id=${rest} /><${Empty} title=${fault ? "Not open" : "Looking"}>${fault || "The conversation is asked for."}<//></main>`;
  const row = model.sessions?.find((each) => each.id === rest);
  return html`<main class="page">
    <${Back} id=${rest} />
    <section class="card facts-card">
      <dl class="facts-row">
        <div><dt>Whose</dt><dd>${told.owner || "nobody's"}</dd></div>
        <div><dt>Assistant</dt><dd>${told.assistant}${told.model ? `, ${told.model}` : ""}</dd></div>
        <div><dt>Turns</dt><dd class="num">${told.turns.length + told.earlier}</dd></div>
        <div><dt>Tokens in, out</dt><dd class="num">${count(told.usage.input)}, ${count(told.usage.output)}</dd></div>
        <div><dt>Cost</dt><dd class="num">${money(told.cost)}${told.unpriced ? `, ${told.unpriced} unknown` : ""}</dd></div>
        <div><dt>Now</dt><dd><${Now} session=${{ depth: 0, state: "running", ...row, running: told.running, asked: told.asked.length }} /></dd></div>
      </dl>
      <div class="acts">
        <button disabled=${!admin} aria-pressed=${reading} title=${admin ? "" : "What was said is for the role admin."} onClick=${() => setReading(!reading)}>${reading ? "Hide text" : "Show text"}</button>
        <span class="dim small">${admin ? "Reading is written into the audit log." : "What was said is for the role admin; that you read it would be written down."}</span>
        <a class="right" href=${address("actors", `sessions/${rest}`)}>its actor</a>
      </div>
      ${fault && html`<p class="bad" role="alert">${fault}</p>`}
      ${told.asked.length > 0 && html`<p class="warn">Waits for a permission: ${told.asked.map((each) => each.name).join(", ")}</p>`}
    </section>
    ${told.earlier > 0 && html`<p class="dim">${some(told.earlier, "earlier turn")} left out</p>`}
    ${told.turns.length === 0 && html`<${Empty} title="No turn yet">Nobody has said anything.<//>`}
    <ol class="turns">${[...told.turns].reverse().map((turn) => html`<${Turn} key=${turn.number} turn=${turn} reading=${reading && told.title !== null} />`)}</ol>
    ${told.running && html`<${InFlight} requests=${model.requests ?? []} session=${rest} />`}
  </main>`;
}

function Back({ id }) {
  return html`<div class="crumbs"><a href="#/sessions">Sessions</a><span class="dim">/</span><h1 class="mono">${id}</h1></div>`;
}

const STOPS = { end_turn: "good", cancelled: "", interrupted: "warn" };

function Turn({ turn, reading }) {
  const most = Math.max(1, ...turn.steps.map((step) => step.chars));
  return html`<li class="card turn">
    <div class="card-top"><h2>Turn ${turn.number} <time class="dim num">${clock(turn.at)}</time></h2>
      <span class="turn-sums dim">${turn.target && html`<span class="mono">${turn.target}</span>`}<span class="num">${count(turn.usage.input)} in, ${count(turn.usage.output)} out</span><span class="num">${turn.unpriced ? "cost unknown" : money(turn.cost)}</span></span>
      <${Pill} tone=${turn.stop === null ? "good" : STOPS[turn.stop] ?? "bad"}>${turn.stop === null ? "under way" : turn.stop.replace("_", " ")}<//></div>
    ${turn.error && html`<p class="bad small">${turn.error}</p>`}
    <ol class="steps">${turn.steps.map((step, i) => html`<${Step} key=${i} step=${step} most=${most} />`)}</ol>
    ${reading && turn.steps.every((step) => step.text === null) && html`<p class="dim small">Too long ago to be shown here; trouper sessions show has all of it.</p>`}
    ${turn.intended.length > 0 && html`<p class="warn small">Nobody knows whether these ran: ${turn.intended.map((each) => each.name).join(", ")}</p>`}
  </li>`;
}

function Step({ step, most }) {
  const failed = step.what === "result" && step.is_error;
  const names = { call: `calls ${step.name}`, result: failed ? "fails" : "returns", text: "says", thinking: "thinks" };
  return html`<li class=${`step ${step.role} ${step.what} ${failed ? "failed" : ""}`}>
    <span class="role">${step.role}</span><span>${names[step.what] ?? step.what}</span>
    <span class="bar"><i style=${{ width: `${Math.max(1, Math.sqrt(step.chars / most) * 100)}%` }}></i></span>
    <span class="r num dim">${some(step.chars, "character")}</span>
    ${step.text && html`<pre class="said">${step.text}</pre>`}
  </li>`;
}
