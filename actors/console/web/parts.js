// Small things that all pages are made of.

import { html } from "./dom.js";
import { address, share } from "./format.js";

// A line of the last minute; `top` is the height that fills it.
export function Spark({ values, tone = "", top = 0, wide = 80, high = 18 }) {
  if (!values?.length) return html`<svg class="spark flat" viewBox="0 0 ${wide} ${high}" preserveAspectRatio="none" aria-hidden="true"><path d=${`M0 ${high - 1}H${wide}`} /></svg>`;
  const most = Math.max(top, 1e-9, ...values);
  const step = wide / (values.length - 1);
  let line = "";
  for (let i = 0; i < values.length; i++)
    line += `${i ? "L" : "M"}${(i * step).toFixed(1)} ${(high - 1 - (values[i] / most) * (high - 3)).toFixed(1)}`;
  return html`<svg class=${`spark ${tone}`} viewBox="0 0 ${wide} ${high}" preserveAspectRatio="none" aria-hidden="true">
    <path class="under" d=${`${line}V${high}H0Z`} /><path d=${line} />
  </svg>`;
}

// A number for the eye: how full, and the words beside it.
export function Meter({ label, value, most, words, tone = "" }) {
  const part = most > 0 ? Math.min(1, Math.max(0, value / most)) : 0;
  return html`<div class="meter">
    <div class="meter-words"><span>${label}</span><span class="dim num">${words}</span></div>
    <div class="bar" role="meter" aria-label=${label} aria-valuenow=${Math.round(part * 100)} aria-valuemin="0" aria-valuemax="100" aria-valuetext=${words}>
      <i class=${tone} style=${{ width: share(part).replace(" ", "") }}></i>
    </div>
  </div>`;
}

export function Pill({ tone = "", children }) {
  return html`<span class=${`pill ${tone}`}>${children}</span>`;
}

const TONES = {
  ok: "good", running: "good", backlogged: "warn", limiting: "warn", suspended: "warn", draining: "warn",
  starting: "", "backing off": "warn", backoff: "warn",
};

export function tone(health) {
  return health in TONES ? TONES[health] : "bad";
}

// Shape as well as colour: a circle is well, a half circle passes, a square needs somebody.
export function State({ actor }) {
  const words = actor.health === "ok" ? actor.state : actor.health;
  const of = actor.health === "ok" ? tone(actor.state) : tone(actor.health);
  return html`<span class=${`state ${of}`}><i></i>${words}</span>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><b>${title}</b><p>${children}</p></div>`;
}

export function Actor({ path }) {
  return html`<a class="path" href=${address("actors", path)}>${path}</a>`;
}

export function Choice({ value, options, onChoose, label }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(([key, words]) => html`<button key=${key} aria-pressed=${key === value} onClick=${() => onChoose(key)}>${words}</button>`)}
  </div>`;
}

// Rows of one height, of which only those exist that can be seen.
export function windowOf(scroller, total, height, most = 56) {
  const top = scroller?.scrollTop ?? 0;
  const high = scroller?.clientHeight || 600;
  const first = Math.max(0, Math.min(Math.floor(top / height) - 3, total - 1));
  const fits = Math.min(most, Math.ceil(high / height) + 6);
  return { first, last: Math.min(total, first + fits) };
}

// A traceback with the runtime's own frames folded away.
export function unfolded(text) {
  const parts = [];
  let own = true;
  for (const line of text.split("\n")) {
    const frame = /^\s*File "(.+?)", line/.exec(line);
    if (frame) own = !/(trouper\/runtime\/|\/runtime\/|site-packages|lib\/python3)/.test(frame[1]);
    else if (!/^\s/.test(line)) own = true;
    const last = parts.at(-1);
    if (last && last.own === own) last.lines.push(line);
    else parts.push({ own, lines: [line] });
    if (frame && !own) parts.at(-1).frames = (parts.at(-1).frames ?? 0) + 1;
  }
  return parts;
}

export function Traceback({ text, whole, onWhole }) {
  if (!text) return html`<p class="dim">No traceback: too many crashes came in that second.</p>`;
  const parts = unfolded(text.trimEnd());
  const hidden = parts.reduce((sum, part) => sum + (part.own ? 0 : part.frames ?? 0), 0);
  return html`<pre class="trace">${parts.map((part) => part.own || whole ? part.lines.join("\n") + "\n" : "")}</pre>
    ${hidden > 0 && html`<button class="link" onClick=${onWhole}>${whole ? "fold" : "show"} ${hidden} library and runtime ${hidden === 1 ? "frame" : "frames"}</button>`}`;
}
