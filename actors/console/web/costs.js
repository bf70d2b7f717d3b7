// What was spent since the start: by minute, by whom, for what, and how the budgets stand.

import { html, useState } from "./dom.js";
import { count, money, share } from "./format.js";
import { model } from "./model.js";
import { Choice, Empty } from "./parts.js";

let group = "provider";

export function CostsPage() {
  const [, draw] = useState(0);
  const { costs } = model;
  if (!costs) return html`<main class="page"><${Empty} title="Adding up">The sums are on their way.<//></main>`;
  const { total, minutes, budgets } = costs;
  const rows = costs[group];
  const most = Math.max(1, ...rows.map((row) => row.cost));
  return html`<main class="page">
    <div class="two">
      <section class="card"><div class="card-top"><h2>Per minute</h2><span class="dim num">${money(minutes.at(-1))} in this one, ${money(total.cost)} since the start</span></div><${Minutes} minutes=${minutes} /></section>
      <section class="card"><div class="card-top"><h2>Budgets</h2><a class="dim" href="#/">${budgets.some((each) => each.severity) ? "see what needs attention" : ""}</a></div>
        ${budgets.length === 0 ? html`<${Empty} title="None is set">A table [budgets.NAME] in the configuration sets one, for all or for a user.<//>` : budgets.map((each) => html`<${Budget} key=${each.name} budget=${each} />`)}</section>
    </div>
    <section class="card"><div class="card-top"><h2>By ${group}</h2><${Choice} label="Group" value=${group} onChoose=${(key) => { group = key; draw((n) => n + 1); }} options=${["provider", "model", "session", "user"].map((key) => [key, key])} /></div>
      ${rows.length === 0 ? html`<${Empty} title="Nothing yet">No call has ended since the start. What was spent before: trouper usage.<//>` : html`<div class="scroll-x"><table class="costs">
        <thead><tr><th>${group}</th><th class="r">Calls</th><th class="r">Tokens in</th><th class="r">Tokens out</th><th class="r">Unknown</th><th class="r">Cost</th><th class="wide"></th></tr></thead>
        <tbody>${rows.map((row) => html`<tr key=${row.name}><td class="mono">${row.name || html`<span class="dim">(none)</span>`}</td><td class="r num">${count(row.calls)}</td><td class="r num">${count(row.input)}</td><td class="r num">${count(row.output)}</td><td class="r num ${row.unknown ? "warn" : "dim"}">${row.unknown || ""}</td><td class="r num">${money(row.cost)}</td><td class="wide"><div class="age"><i class="accent" style=${{ width: `${(row.cost / most) * 100}%` }}></i></div></td></tr>`)}</tbody>
        <tfoot><tr><td>all</td><td class="r num">${count(total.calls)}</td><td class="r num">${count(total.input)}</td><td class="r num">${count(total.output)}</td><td class="r num">${total.unknown || ""}</td><td class="r num">${money(total.cost)}</td><td></td></tr></tfoot></table></div>`}
    </section></main>`;
}

// Sixty bars, the current minute last; it is not over, so it is drawn lighter.
function Minutes({ minutes }) {
  const most = Math.max(...minutes);
  // As wide as it is shown (see .two in pages.css), so that its words have their size.
  const wide = innerWidth <= 760 ? innerWidth - 58 : Math.round((innerWidth - 46) * 0.6) - 34;
  const [high, left] = [170, 58];
  const step = (wide - left) / minutes.length;
  const top = nice(most);
  if (most === 0) return html`<${Empty} title="Nothing was spent">in the last hour.<//>`;
  return html`<svg class="chart" viewBox="0 0 ${wide} ${high + 20}" role="img" aria-label=${`what each of the last 60 minutes has cost, at most ${money(most)}`}>
    ${[0, 0.5, 1].map((part) => html`<g key=${part}><path class="grid" d=${`M${left} ${high - part * (high - 8)}H${wide}`} /><text x=${left - 8} y=${high - part * (high - 8) + 4} text-anchor="end">${money(top * part)}</text></g>`)}
    ${minutes.map((cost, i) => html`<rect key=${i} class=${i === minutes.length - 1 ? "now" : ""} x=${left + i * step + 1} width=${step - 2} y=${high - (cost / top) * (high - 8)} height=${(cost / top) * (high - 8)} rx="1"><title>${59 - i} min ago: ${money(cost)}</title></rect>`)}
    <text x=${left} y=${high + 16}>an hour ago</text><text x=${wide} y=${high + 16} text-anchor="end">now</text>
  </svg>`;
}

function nice(most) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= most);
}

function Budget({ budget }) {
  const { name, scope, window, limit, spent, reserved, severity, detail } = budget;
  const part = limit ? spent / limit : 1;
  const tone = severity > 1 ? "bad" : severity ? "warn" : "";
  return html`<div class="budget">
    <div class="meter-words"><b>${name}</b><span class="dim num">${money(spent)} of ${money(limit)}${window ? ` in ${window}` : ""}${scope === "all" ? "" : `, ${scope.replace(":", " ")}`}</span></div>
    <div class="bar tall-bar" role="meter" aria-label=${`budget ${name}`} aria-valuenow=${Math.round(part * 100)} aria-valuemin="0" aria-valuemax="100"><i class=${tone} style=${{ width: `${Math.min(100, part * 100)}%` }}></i><i class="reserved" style=${{ width: `${Math.min(100 - Math.min(100, part * 100), limit ? (reserved / limit) * 100 : 0)}%` }}></i></div>
    <p class="small ${tone || "dim"}">${severity ? detail : `${share(part)} spent`}${reserved ? `, ${money(reserved)} reserved for calls under way` : ""}</p>
  </div>`;
}
