// What can be done: the effect is asked for first, and told in words, before anything is done.

import { ask } from "./connection.js";
import { html, useEffect, useRef, useState } from "./dom.js";
import { some } from "./format.js";
import { changed, model } from "./model.js";

let open = null;

export function may(act) {
  return model.hello?.caps.includes(act) ?? false;
}

export function why(act) {
  if (may(act)) return "";
  if (model.status === "lost") return "There is no connection.";
  return `This visit may ${model.hello?.role ?? "read"} only; ${act === "limit" ? "admin" : "operate"} is needed.`;
}

export function propose(act) {
  open = act;
  changed();
}

// `not` says why it makes no sense now, where it does not.
export function ActButton({ act, path, gen, words, danger, not = "", ...more }) {
  return html`<button class=${danger ? "danger" : ""} disabled=${!may(act) || not !== ""} title=${why(act) || not} onClick=${() => propose({ act, path, gen, ...more })}>${words}…</button>`;
}

const LIMITS = [
  ["requests_per_minute", "requests", "Requests a minute"],
  ["tokens_per_minute", "tokens", "Tokens a minute"],
  ["input_tokens_per_minute", "input_tokens", "Input tokens a minute"],
  ["output_tokens_per_minute", "output_tokens", "Output tokens a minute"],
];

const LEVELS = ["debug", "info", "warning", "error", "critical"];

export function Dialogs() {
  return open && html`<${Dialog} key=${open.act + open.path} act=${open} />`;
}

function Dialog({ act }) {
  const dialog = useRef();
  const [effect, setEffect] = useState(null);
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const [reason, setReason] = useState("");
  const [args, setArgs] = useState(first(act));
  // Of the life that the dry run has seen, where the picture does not say.
  const request = { op: "act", act: act.act, path: act.path, gen: act.gen ?? effect?.gen };
  useEffect(() => {
    dialog.current.showModal();
    if (act.act === "limit") return;
    ask({ ...request, args: given(act, args), dry: true }).then((told) => setEffect(told.effect), (error) => setFault(error.msg));
  }, []);
  const close = () => propose(null);
  const go = async (event) => {
    event.preventDefault();
    setBusy(true);
    setFault("");
    try {
      await ask({ ...request, reason, args: given(act, args) });
      dialog.current.close();
    } catch (error) {
      setFault(error.msg);
    }
    setBusy(false);
  };
  return html`<dialog ref=${dialog} onClose=${close} aria-label=${VERBS[act.act]}>
    <form onSubmit=${go}>
      <h2>${VERBS[act.act]} <span class="mono">${act.path}</span></h2>
      <ul class="effects">${words(act, effect).map((line) => html`<li key=${line}>${line}</li>`)}</ul>
      ${act.act === "trip" && html`<label>For how many seconds (empty: until it is reset) <input type="number" min="1" max="86400" value=${args.seconds} onInput=${(event) => setArgs({ seconds: event.target.value })} /></label>`}
      ${act.act === "limit" && LIMITS.filter(([, level]) => act.limiter[level]).map(([key, , label]) => html`<label key=${key}>${label} <input type="number" min="1" value=${args[key]} onInput=${(event) => setArgs({ ...args, [key]: event.target.value })} /></label>`)}
      ${act.act === "loglevel" && html`<label>From which level on <select value=${args.level} onChange=${(event) => setArgs({ ...args, level: event.target.value })}>${LEVELS.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>
        <label>For how many seconds <input type="number" min="1" max="86400" required value=${args.seconds} onInput=${(event) => setArgs({ ...args, seconds: event.target.value })} /></label>`}
      <label>Why (goes into the audit log) <input maxlength="500" value=${reason} onInput=${(event) => setReason(event.target.value)} /></label>
      ${fault && html`<p class="bad" role="alert">${fault}</p>`}
      <div class="buttons">
        <button type="button" onClick=${() => dialog.current.close()}>Leave it</button>
        <button class=${DANGEROUS.has(act.act) ? "primary danger" : "primary"} disabled=${busy || (effect === null && act.act !== "limit")}>${VERBS[act.act]}</button>
      </div>
    </form>
  </dialog>`;
}

const VERBS = {
  restart: "Restart", stop: "Stop", drain: "Drain", suspend: "Suspend", resume: "Resume",
  resend: "Send again", loglevel: "Set log level", trip: "Open the circuit", reset: "Close the circuit", limit: "Set limits",
};
const DANGEROUS = new Set(["restart", "stop", "drain", "trip"]);

function first(act) {
  if (act.act === "trip") return { seconds: "" };
  if (act.act === "resend") return { n: act.letter.n };
  if (act.act === "loglevel") return { level: "debug", seconds: 600 };
  if (act.act !== "limit") return {};
  return Object.fromEntries(LIMITS.filter(([, level]) => act.limiter[level]).map(([key, level]) => [key, Math.round(act.limiter[level].rate * 60)]));
}

function given(act, args) {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== "").map(([key, value]) => [key, key === "level" ? value : Number(value)]));
}

// The sentences of a dialog: what happens to whom, from the dry run.
function words(act, effect) {
  if (act.act === "limit") return ["The limiter keeps to these from now on, until it restarts; then the configuration counts again."];
  if (act.act === "trip") return [`No call goes to ${act.model} until then. Calls under way go on; new ones go to the next target, or are refused.`];
  if (act.act === "reset") return [`Calls go to ${act.model} again at once. If it still fails, the circuit opens again.`];
  if (effect === null) return ["Asking what this would do."];
  if (act.act === "loglevel") return [`It and those below it log from ${effect.was} on now. When the time is over, they log from ${effect.then} on again.`];
  const { also = [], in_hand = 0, waiting = 0 } = effect;
  const said = [];
  if (act.act === "restart") {
    said.push("Its life ends, and another one begins.");
    if (also.length) said.push(`${some(also.length, "sibling")} ${also.length === 1 ? "goes" : "go"} along: ${also.slice(0, 5).join(", ")}${also.length > 5 ? ", …" : ""}.`);
    said.push(in_hand ? `${some(in_hand, "message")} in hand ${in_hand === 1 ? "is" : "are"} cut off in the middle.` : "Nothing is in hand.");
    said.push(waiting ? `${some(waiting, "message")} that ${waiting === 1 ? "waits is" : "wait are"} kept for the new life.` : "Nothing waits.");
  } else if (act.act === "stop") {
    said.push(in_hand ? `It ends after ${some(in_hand, "message")} in hand, for good.` : "It ends at once, for good.");
    said.push(waiting ? `${some(waiting, "message")} that ${waiting === 1 ? "waits is" : "wait are"} refused.` : "Nothing waits.");
  } else if (act.act === "drain") {
    said.push(`Nothing new is let in. It handles ${some(waiting + in_hand, "message")} and ends, for good.`);
  } else if (act.act === "resend") {
    said.push(`The ${effect.message} goes to the life that it has now, behind ${some(waiting, "message")}; it can be sent again once.`);
    if (act.letter.reason === "crashed") said.push("It crashed its actor, and may do so again.");
    if (act.letter.reason === "refused") said.push("It was refused, and may be again.");
  } else if (act.act === "suspend") {
    said.push("It reads no further message until it is resumed.");
    said.push(waiting ? `${some(waiting, "message")} already ${waiting === 1 ? "waits" : "wait"}; more will queue up behind.` : "Messages will queue up.");
  } else said.push(`It reads on; ${some(waiting, "message")} ${waiting === 1 ? "waits" : "wait"}.`);
  return said;
}
