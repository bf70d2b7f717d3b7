// The page: what is shown for which address, and what stands around it.

import { enter, look, signIn, signOut } from "./connection.js";
import { Dialogs } from "./acting.js";
import { html, render, useEffect, useLayoutEffect, useState } from "./dom.js";
import { clock, count, money, parts, rate, span } from "./format.js";
import { Help, keys } from "./keys.js";
import { CrashPage, CrashesPage, DeadPage, EventsPage } from "./lists.js";
import { changed, model, onChange, tick } from "./model.js";
import { CostsPage } from "./costs.js";
import { Empty, Pill, Spark } from "./parts.js";
import { ProvidersPage } from "./providers.js";
import { SessionPage } from "./session.js";
import { SessionsPage } from "./sessions.js";
import { TreePage } from "./tree.js";

// By the first word of the address: its words, its page, and what the feed must tell for it.
const PAGES = {
  "": { name: "Tree", key: "t", page: TreePage },
  actors: { page: TreePage, of: "" },
  providers: { name: "Providers", key: "p", page: ProvidersPage, topics: ["providers", "requests"] },
  sessions: { name: "Sessions", key: "s", page: SessionsPage, one: SessionPage, topics: ["sessions", "requests"] },
  costs: { name: "Costs", key: "c", page: CostsPage, topics: ["costs"] },
  events: { name: "Events", key: "e", page: EventsPage, topics: [] },
  dead: { name: "Dead letters", key: "d", page: DeadPage, topics: [] },
  crashes: { name: "Crashes", key: "x", page: CrashesPage, one: CrashPage, topics: [] },
};

function place() {
  const [first, ...rest] = parts(location.hash);
  if (!Object.hasOwn(PAGES, first)) return { first: "", page: PAGES[""], rest: "" };
  const page = PAGES[first];
  return { first: page.of ?? first, page, rest: rest.join("/") };
}

function theme(wanted) {
  const now = wanted ?? localStorage.getItem("theme") ?? "";
  if (wanted !== undefined) localStorage.setItem("theme", now);
  if (now) document.documentElement.dataset.theme = now;
  else delete document.documentElement.dataset.theme;
  return now;
}

function App() {
  const [, draw] = useState(0);
  const [where, go] = useState(place());
  const [dress, setDress] = useState(theme());
  const [help, setHelp] = useState(false);
  useEffect(() => onChange(() => draw((n) => n + 1)), []);
  // What is painted, or drawn to the width of the window, is made anew at once.
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", changed);
    addEventListener("resize", changed);
    return () => {
      dark.removeEventListener("change", changed);
      removeEventListener("resize", changed);
    };
  }, []);
  useEffect(() => {
    const moved = () => go(place());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const next = { "": "dark", dark: "light", light: "" };
  const redress = () => setDress((now) => theme(next[now]));
  useEffect(() => keys(PAGES, { help: () => setHelp((on) => !on), dress: redress }), []);
  const { page, rest } = where;
  const Page = rest && page.one ? page.one : page.page;
  // The page of one actor has it watched; see actor.js.
  useEffect(() => {
    if (page.page !== TreePage) look({ topics: page.topics });
  }, [page]);
  if (model.status === "out") return html`<${SignIn} />`;
  const lost = model.status === "lost";
  return html`<div class=${`shell ${lost ? "lost" : ""}`}>
    <${Header} where=${where} dress=${dress} onDress=${redress} onHelp=${() => setHelp(true)} />
    ${lost && html`<${Lost} />`}
    <div class="below">
      <${Totals} />
      ${model.tot === null ? html`<main class="page"><${Waiting} /></main>` : html`<${Page} rest=${rest} key=${rest && page.one ? rest : page.name} />`}
    </div>
    <${Dialogs} />
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
  </div>`;
}

function Waiting() {
  return html`<${Empty} title="Connecting">The picture comes as soon as the program answers.<//>`;
}

function Lost() {
  return html`<div class="banner" role="alert">Connection lost. This is the picture from ${clock(model.at / 1000)}, ${span(Date.now() - model.at)} ago; nothing below is current. Trying again.</div>`;
}

const BADGES = {
  "": () => [model.attention.length, model.attention.some((each) => each.severity > 1) ? "bad" : "warn"],
  dead: () => [model.tot?.dead ?? 0, "warn"],
  crashes: () => [model.tot?.crashes ?? 0, "bad"],
};

function Header({ where, dress, onDress, onHelp }) {
  const { hello, status, tot } = model;
  // Where the window is narrow, not all of them fit.
  useLayoutEffect(() => document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [where.first, innerWidth]);
  return html`<header>
    <a class="brand" href="#/"><b>${hello?.app ?? "trouper"}</b></a>
    ${hello && html`<span class="facts dim">pid ${hello.pid}, up ${tot ? span(Math.floor(tot.up_s) * 1000) : ""}, version ${hello.version}</span>`}
    <nav aria-label="Pages">${Object.entries(PAGES).filter(([, each]) => each.name).map(([first, each]) => {
      const [number, tone] = BADGES[first]?.() ?? [0, ""];
      return html`<a key=${first} href=${`#/${first}`} aria-current=${where.first === first ? "page" : undefined}>
        ${each.name}${number > 0 && html`<span class=${`badge ${tone}`}>${count(number)}</span>`}
      </a>`;
    })}</nav>
    <span class="tools">
      ${hello && html`<${Pill} tone=${hello.role === "read" ? "" : "accent"}>${{ read: "read-only", operate: "operator", admin: "admin" }[hello.role]}<//>`}
      <${Pill} tone=${{ live: "good", lost: "bad", paused: "warn" }[status] ?? ""}>${{ live: model.every ? `live, each ${model.every.toFixed(1)} s` : "live", lost: "lost, retrying", paused: "paused" }[status] ?? "connecting"}<//>
      <button class="icon" title="Light, dark, or as the system has it" aria-label="Colours" onClick=${onDress}>${{ "": "◐", dark: "●", light: "○" }[dress]}</button>
      <button class="icon" title="Keys" aria-label="Keys" onClick=${onHelp}>?</button>
      <button class="icon wide" title="End this visit" onClick=${signOut}>Leave</button>
    </span>
  </header>`;
}

function steps(values) {
  return values ? values.map((value, i) => Math.max(0, value - (i ? values[i - 1] : value))) : [];
}

function grown(values) {
  return values?.length ? values.at(-1) - values[0] : 0;
}

function Totals() {
  const tot = model.tot;
  if (!tot) return html`<section class="totals" aria-hidden="true"></section>`;
  const { hist } = tot;
  const ill = model.attention.filter((each) => each.what === "actor").length;
  const bad = model.attention.some((each) => each.severity > 1);
  const crashed = grown(hist.crashes);
  const died = grown(hist.dead);
  const perMinute = hist.cost?.some((value) => value > 0) ? grown(hist.cost) : 0;
  const cells = [
    ["Actors", count(tot.actors), ill ? `${ill} need attention` : "all well", ill ? (bad ? "bad" : "warn") : "", null, ""],
    ["Messages", rate(tot.msgs_s), "/s", "", hist.msgs, ""],
    ["Waiting in mailboxes", count(tot.queued), "", "", hist.queued, ""],
    ["Calls in flight", count(tot.in_flight), "", "", hist.in_flight, ""],
    ["Crashes", count(tot.crashes), crashed ? `+${crashed} last min` : "", crashed ? "bad" : "", steps(hist.crashes), crashed ? "bad" : ""],
    ["Dead letters", count(tot.dead), died ? `+${count(died)} last min` : "", died ? "warn" : "", steps(hist.dead), died ? "warn" : ""],
    ["Loop lag", tot.lag_ms < 10 ? tot.lag_ms.toFixed(1) : count(tot.lag_ms), "ms", tot.lag_ms > 250 ? "warn" : "", hist.lag_ms, ""],
    ["Spent", money(tot.cost), perMinute ? `${money(perMinute)}/min` : "since the start", "", steps(hist.cost), ""],
  ];
  return html`<section class="totals" aria-label="Totals">
    ${cells.map(([name, value, more, tone, values, line]) => html`<div class="total" key=${name}>
      <span class="dim">${name}</span>
      <span class="value"><b class=${tone}>${value}</b> <small class="dim">${more}</small></span>
      ${name === "Actors" ? html`<${Map} />` : html`<${Spark} values=${values} tone=${line} wide=${150} high=${20} />`}
    </div>`)}
  </section>`;
}

// How the actors are, as one bar: those that need attention against the rest.
function Map() {
  const all = Math.max(1, model.tot.actors);
  const of = (level) => model.attention.filter((each) => each.what === "actor" && (level > 1 ? each.severity > 1 : each.severity === 1)).length;
  const part = (number) => ({ width: number ? `${Math.max(3, (number / all) * 100)}%` : "0" });
  return html`<div class="health" aria-hidden="true">${of(2) > 0 && html`<i class="bad" style=${part(of(2))}></i>`}${of(1) > 0 && html`<i class="warn" style=${part(of(1))}></i>`}<i class="good"></i></div>`;
}

function SignIn() {
  const [token, setToken] = useState("");
  const submit = (event) => {
    event.preventDefault();
    signIn(token);
  };
  return html`<main class="signin"><form onSubmit=${submit}>
    <h1>The console</h1>
    <p>On the machine where the program runs, say <code>trouper console</code>. It prints a link that lets this browser in.</p>
    ${model.why && html`<p class="bad" role="alert">${model.why}</p>`}
    <label>Or show a token that has a console scope
      <input type="password" autocomplete="off" value=${token} onInput=${(event) => setToken(event.target.value)} />
    </label>
    <button class="primary" disabled=${token.length < 8}>Come in</button>
  </form></main>`;
}

render(html`<${App} />`, document.getElementById("app"));
setInterval(tick, 1000);
enter();
