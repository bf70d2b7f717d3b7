// The way to the program: who we are, the feed, and its loss.
//
// A socket that closes does not say why, so before the next try it is asked by HTTP
// whether we are still let in.

import { apply, changed, model } from "./model.js";

const HZ = 4;
const SILENCE = 8000; // the feed says something each five seconds, or it is lost
const BASE = ["totals", "attention", "events", "dead", "crashes"];

let socket = null;
let wanted = { topics: BASE, watch: null };
let number = 0;
let wait = 500;
const asked = new Map();
const streams = new Map();
let watching = () => {};

export async function enter() {
  const found = /^#enter=(.+)$/.exec(location.hash);
  if (found) {
    history.replaceState(null, "", "#/");
    const answer = await post({ code: found[1] });
    if (!answer.ok) return out(answer.said);
  }
  await connect();
}

export async function signIn(token) {
  const answer = await post(undefined, { Authorization: `Bearer ${token}` });
  if (!answer.ok) return out(answer.said);
  await connect();
}

export async function signOut() {
  await fetch("session", { method: "DELETE" }).catch(() => {});
  model.status = "out";
  socket?.close();
  out("");
}

// A link that is pasted into a page which is open changes only what is behind the #.
addEventListener("hashchange", () => {
  if (model.status === "out" && location.hash.startsWith("#enter=")) enter();
});

async function post(body, headers = {}) {
  try {
    const answer = await fetch("session", {
      method: "POST",
      headers,
      body: body && JSON.stringify(body),
    });
    return { ok: answer.ok, said: answer.ok ? "" : (await answer.json()).error.message };
  } catch {
    return { ok: false, said: "the program does not answer" };
  }
}

function out(why) {
  model.status = "out";
  model.why = why;
  changed();
}

async function connect() {
  let answer;
  try {
    answer = await fetch("session");
  } catch {
    return later();
  }
  if (answer.status === 401 || answer.status === 403) return out("");
  if (!answer.ok) return later();
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/console/feed`, "trouper.inspect.v1");
  socket.onopen = () => {
    send({ op: "hello", client: "page" });
    subscribe();
  };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = later;
}

function later() {
  for (const { fail } of asked.values()) fail({ code: "lost", msg: "the connection was lost" });
  asked.clear();
  socket = null;
  if (model.status === "out") return;
  model.status = model.at ? "lost" : "connecting";
  setTimeout(connect, wait);
  wait = Math.min(wait * 2, 8000);
  changed();
}

function take(frame) {
  if (frame.t === "hello") {
    model.hello = frame;
    model.status = document.hidden ? "paused" : "live";
    wait = 500;
    return changed();
  }
  const waiting = asked.get(frame.id);
  if (frame.t === "err") {
    if (waiting) {
      asked.delete(frame.id);
      waiting.fail(frame.err);
    }
    streams.get(frame.id)?.(frame);
    return watching(frame);
  }
  if (streams.has(frame.id)) return streams.get(frame.id)(frame);
  if (waiting && frame.t !== "actor") {
    asked.delete(frame.id);
    return waiting.done(frame);
  }
  if (waiting) {
    asked.delete(frame.id);
    waiting.done(frame);
  }
  if (frame.t === "actor") watching(frame);
  apply(frame);
}

function send(request) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
}

// One request with one answer; throws {code, msg}.
export function ask(request) {
  const id = ++number;
  return new Promise((done, fail) => {
    if (socket?.readyState !== WebSocket.OPEN)
      return fail({ code: "lost", msg: "there is no connection" });
    asked.set(id, { done, fail });
    send({ ...request, id });
  });
}

// One request with many answers; returns what ends listening.
export function listen(request, each) {
  const id = ++number;
  streams.set(id, each);
  send({ ...request, id });
  return () => streams.delete(id);
}

// A conversation as it goes on; returns what ends that. One at a time.
export function follow(request, each) {
  const ended = listen({ ...request, op: "follow" }, each);
  return () => {
    ended();
    send({ op: "unsub", what: "follow" });
  };
}

export function look({ topics = [], watch = null, seen = () => {} }) {
  const now = { topics: [...BASE, ...topics], watch };
  watching = seen;
  if (JSON.stringify(now) === JSON.stringify(wanted)) return;
  const same = JSON.stringify(now.topics) === JSON.stringify(wanted.topics);
  const stopped = wanted.watch && !now.watch;
  wanted = now;
  if (same && !stopped) observe();
  else subscribe();
}

function subscribe() {
  if (document.hidden) return;
  send({ op: "unsub", what: "watch" });
  send({ op: "sub", topics: wanted.topics, hz: HZ });
  observe();
}

function observe() {
  if (wanted.watch) send({ op: "watch", id: "watch", path: wanted.watch });
}

// Nobody looks at a hidden page.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) send({ op: "unsub" });
  else subscribe();
  if (model.status === "live" || model.status === "paused")
    model.status = document.hidden ? "paused" : "live";
  changed();
});

setInterval(() => {
  if (model.status === "live" && model.at && Date.now() - model.at > SILENCE) socket?.close();
}, 1000);
