// The providers: circuits with their timers, limits with their fill, and every call under way.

import { ActButton } from "./acting.js";
import { html, useLayoutEffect } from "./dom.js";
import { address, count, share, some, span } from "./format.js";
import { model } from "./model.js";
import { Empty, Meter, Pill } from "./parts.js";

// A call that a rule of ours or its own caller ended says nothing of the provider.
const blame = (one) => (one === "ok" || one === "cached" ? "good" : one.startsWith("provider_") ? "bad" : "mid");

const CIRCUITS = { closed: "good", open: "bad", half_open: "warn" };

export function ProvidersPage({ rest }) {
  const { providers, requests } = model;
  useLayoutEffect(() => {
    if (rest) document.getElementById(`provider-${rest}`)?.scrollIntoView({ block: "nearest" });
  }, [rest, providers !== null]);
  if (!providers) return html`<main class="page"><${Empty} title="Asking the gates">Circuits and limiters are asked how they stand.<//></main>`;
  return html`<main class="page">
    <div class="cards">${providers.map((each) => html`<${Provider} key=${each.name} provider=${each} chosen=${each.name === rest} />`)}</div>
    <${InFlight} requests=${requests ?? []} />
  </main>`;
}

function Provider({ provider, chosen }) {
  const { name, kind, circuits, limiters, in_flight } = provider;
  const worst = circuits.find((each) => each.state === "open") ?? circuits.find((each) => each.state === "half_open") ?? circuits[0];
  return html`<section class=${`card provider ${chosen ? "chosen" : ""}`} id=${`provider-${name}`}>
    <div class="card-top"><div><h2>${name}</h2><span class="dim mono">${kind}</span></div>
      ${worst && html`<${Pill} tone=${CIRCUITS[worst.state]}>${circuit(worst)}<//>`}</div>
    ${circuits.map((each) => html`<${Circuit} key=${each.path} circuit=${each} alone=${circuits.length === 1} />`)}
    ${limiters.map((each) => html`<${Limiter} key=${each.path} limiter=${each} alone=${limiters.length === 1} />`)}
    <p class="flight">${in_flight ? html`<b class="num">${in_flight}</b> ${in_flight === 1 ? "call" : "calls"} in flight` : html`<span class="dim">no call in flight</span>`}</p>
  </section>`;
}

// The same in a word or two, for a row of the tree.
export function circuitTag(each) {
  return [CIRCUITS[each.state], each.state === "closed" ? "closed" : circuit(each)];
}

function circuit(each) {
  if (each.state === "closed") return "circuit closed";
  if (each.state === "half_open") return "probing";
  if (each.until_reset) return "open until reset";
  return each.reopens_in === null ? "circuit open" : `open, probe in ${span(each.reopens_in * 1000)}`;
}

function Circuit({ circuit: each, alone }) {
  const failed = each.calls ? each.failures / each.calls : 0;
  const blanks = Math.max(0, 20 - each.outcomes.length);
  return html`<div class="circuit">
    <div class="meter-words"><a class="mono path" href=${address("actors", each.path)}>${each.model}</a><span class="dim num">${each.calls ? `${share(failed)} of ${each.calls} failed in 30 s` : "no call in 30 s"}</span></div>
    <div class="outcomes" role="img" aria-label=${`the last ${each.outcomes.length} calls: ${each.outcomes.filter((one) => blame(one) === "bad").length} failed`}>
      ${each.outcomes.map((one, i) => html`<i key=${i} title=${one.replaceAll("_", " ")} class=${blame(one)}></i>`)}
      ${Array.from({ length: blanks }, (_, i) => html`<i key=${`blank${i}`}></i>`)}
    </div>
    ${each.state !== "closed" && html`<p class="small bad">${!alone ? `${circuit(each)}: ` : ""}${each.cause || each.detail}</p>`}
    <div class="acts small">
      ${each.state === "closed" ? html`<${ActButton} act="trip" path=${each.path} model=${each.model} words="Open circuit" />` : html`<${ActButton} act="reset" path=${each.path} model=${each.model} words="Close circuit" />`}
    </div>
  </div>`;
}

const LEVELS = [["requests", "Requests"], ["tokens", "Tokens"], ["input_tokens", "Input tokens"], ["output_tokens", "Output tokens"]];

function Limiter({ limiter: each, alone }) {
  const limits = LEVELS.filter(([key]) => each[key]);
  return html`<div class="limiter">
    ${!alone && html`<p class="dim mono small">key ${each.key || "(none)"}</p>`}
    ${limits.map(([key, label]) => {
      const { level, capacity, rate } = each[key];
      const left = Math.max(0, level);
      return html`<${Meter} key=${key} label=${`${label} left, ${count(rate * 60)} a minute`} value=${left} most=${capacity} words=${`${count(left)} of ${count(capacity)}`} tone=${left < capacity * 0.1 ? "bad" : left < capacity * 0.3 ? "warn" : ""} />`;
    })}
    ${each.max_in_flight && html`<${Meter} label="At once" value=${each.in_flight} most=${each.max_in_flight} words=${`${each.in_flight} of ${each.max_in_flight}`} tone=${each.in_flight >= each.max_in_flight ? "warn" : ""} />`}
    ${each.waiting > 0 && html`<p class="small warn">${some(each.waiting, "call")} ${each.waiting === 1 ? "waits" : "wait"} for these limits${each.next_in ? `, the next goes in ${span(each.next_in * 1000)}` : ""}</p>`}
    ${each.paused_for ? html`<p class="small warn">paused by the provider for ${span(each.paused_for * 1000)}</p>` : null}
    ${limits.length > 0 && html`<div class="acts small"><${ActButton} act="limit" path=${each.path} limiter=${each} words="Set limits" /></div>`}
    ${limits.length === 0 && !each.max_in_flight && html`<p class="dim small">no limits of ours</p>`}
  </div>`;
}

const PHASES = { routing: "", waiting: "warn", sent: "accent", streaming: "good" };

export function InFlight({ requests, session = null }) {
  const found = requests.filter((each) => session === null || each.session === session).sort((a, b) => b.age_ms - a.age_ms);
  const most = Math.max(1000, ...found.map((each) => each.age_ms));
  return html`<section class="card"><div class="card-top"><h2>In flight</h2><span class="dim num">${some(found.length, "call")}</span></div>
    ${found.length === 0 ? html`<${Empty} title="Nothing">No provider is being asked at this moment.<//>` : html`<div class="scroll-x"><table class="flights">
      <thead><tr><th>Call</th><th>Provider</th><th>Model</th><th>Session</th><th>Phase</th><th class="r">Waited</th><th class="r">First content</th><th class="r">Age</th><th class="wide"></th></tr></thead>
      <tbody>${found.slice(0, 55).map((each) => html`<tr key=${`${each.id}-${each.attempt}`}>
        <td class="mono">${each.id.slice(-12)}${each.attempt > 1 && html` <small class="warn">try ${each.attempt}</small>`}</td>
        <td>${each.provider ? html`<a href=${address("providers", each.provider)}>${each.provider}</a>` : html`<span class="dim">none yet</span>`}</td>
        <td class="mono">${each.model || each.asked}</td>
        <td class="mono">${each.session ? html`<a href=${address("sessions", each.session)}>${each.session.slice(0, 18)}</a>` : html`<span class="dim">none</span>`}</td>
        <td><${Pill} tone=${PHASES[each.phase]}>${each.phase}<//></td>
        <td class="r num">${each.waited_ms ? span(each.waited_ms) : ""}</td>
        <td class="r num">${each.first_ms === null || each.first_ms === undefined ? "" : span(each.first_ms)}</td>
        <td class="r num">${span(each.age_ms)}</td>
        <td class="wide"><div class="age"><i class=${PHASES[each.phase]} style=${{ width: `${Math.max(1, (each.age_ms / most) * 100)}%` }}></i></div></td>
      </tr>`)}</tbody></table></div>
      ${found.length > 55 && html`<p class="dim small">and ${found.length - 55} younger ones</p>`}`}
  </section>`;
}
