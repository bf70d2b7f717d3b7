// What is known of the program: made of the feed's frames and nothing else.
//
// Frames come up to four times a second; who draws is told once an animation frame.
// Actors keep their numbers of one subscription, so a new one begins anew, and takes the
// place of the old picture only when it is whole.

const SECONDS = 60;
const KEPT = 500;

export const model = {
  status: "connecting", // live, paused, lost, out
  why: "",
  hello: null,
  at: 0, // when the last frame came
  every: 0, // seconds between two, where the program tells fewer than were asked for
  actors: new Map(), // by number
  byPath: new Map(),
  below: new Map(), // children by the path of their parent
  shape: 0, // grows when actors come and go
  second: 0,
  tot: null,
  attention: [],
  providers: null,
  requests: null,
  sessions: null,
  costs: null,
  events: [],
  dead: [],
  crashes: [],
};

const watchers = new Set();
let drawing = false;

export function onChange(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function changed() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const watcher of watchers) watcher();
  });
}

let building = null;
let columns = [];

export function apply(frame) {
  model.at = Date.now();
  if (frame.t === "slow") model.every = frame.hz < frame.asked_hz ? 1 / frame.hz : 0;
  if (frame.t === "snap") begin(frame);
  if (frame.t === "snap" || frame.t === "delta") {
    tree(frame);
    for (const key of ["tot", "attention", "providers", "requests", "sessions", "costs", "crashes"])
      if (key in frame) model[key] = frame[key];
    // A delta leaves out lists that are empty now.
    if (frame.ev?.length) model.events = [...model.events, ...frame.ev].slice(-KEPT);
    if (frame.dead?.length) {
      const stamped = frame.dead.map((each) => ({ ...each, at: Date.now() / 1000 - each.ago_ms / 1000 }));
      // One that has been sent again is told again.
      const again = new Set(stamped.map((each) => each.n));
      model.dead = [...model.dead.filter((each) => !again.has(each.n)), ...stamped].sort((a, b) => a.n - b.n).slice(-KEPT);
    }
    if (frame.t === "snap" && !frame.more) finish();
  }
  changed();
}

function begin(frame) {
  if (frame.seq !== 1) return;
  model.every = 0;
  model.events = [];
  model.dead = [];
  building = frame.cols ? { actors: new Map(), byPath: new Map() } : null;
}

function tree(frame) {
  const into = building ?? model;
  if (frame.cols) columns = frame.cols;
  for (const each of frame.new ?? []) introduce(into, each);
  for (const row of frame.rows ?? []) {
    const actor = into.actors.get(row[0]);
    if (!actor) continue;
    for (let i = 1; i < columns.length; i++) actor[columns[i]] = row[i];
    if (actor.seen === undefined) [actor.seen, actor.busyThen] = [actor.n, actor.busy_ms];
  }
  for (const [id] of frame.gone ?? []) {
    const actor = into.actors.get(id);
    if (!actor) continue;
    into.actors.delete(id);
    into.byPath.delete(actor.path);
    model.shape++;
  }
  if (!building && frame.new?.length) {
    model.shape++;
    arrange();
  } else if (!building && frame.gone?.length) arrange();
  if (!building && (frame.rows || frame.gone)) rollUp();
}

function introduce(into, told) {
  const known = into.actors.get(told.id);
  const actor = known ?? { depth: 0, n: 0, rate: 0, busy: 0, restarts: 0, health: "ok", detail: "" };
  Object.assign(actor, told);
  actor.hist = told.hist.length ? told.hist : null;
  actor.up = told.path.includes("/") ? told.path.slice(0, told.path.lastIndexOf("/")) : "";
  into.actors.set(told.id, actor);
  into.byPath.set(told.path, actor);
}

function finish() {
  if (!building) return;
  Object.assign(model, building);
  building = null;
  model.shape++;
  arrange();
  rollUp();
  for (const actor of model.actors.values()) if (actor.hist) addUp(actor);
}

function arrange() {
  model.below = new Map();
  for (const actor of model.actors.values()) {
    const up = model.byPath.has(actor.up) ? actor.up : "";
    const list = model.below.get(up);
    if (list) list.push(actor);
    else model.below.set(up, [actor]);
  }
}

// What a supervisor's row says of all that is below it.
function rollUp() {
  for (const path of model.below.keys()) {
    const actor = model.byPath.get(path);
    if (actor) actor.sum = { depth: 0, rate: 0, restarts: 0, ill: 0, actors: 0 };
  }
  for (const actor of model.actors.values()) {
    const ill = actor.health === "ok" ? 0 : 1;
    for (let up = model.byPath.get(actor.up); up?.sum; up = model.byPath.get(up.up)) {
      up.sum.depth += actor.depth;
      up.sum.rate += actor.rate;
      up.sum.restarts += actor.restarts;
      up.sum.ill += ill;
      up.sum.actors++;
    }
  }
}

function addUp(actor) {
  for (let up = model.byPath.get(actor.up); up; up = model.byPath.get(up.up)) {
    up.trail ??= new Array(SECONDS).fill(0);
    for (let i = 0; i < SECONDS; i++) up.trail[i] += actor.hist[i] ?? 0;
  }
}

let ticked = performance.now();

export function tick() {
  const now = performance.now();
  const seconds = (now - ticked) / 1000;
  ticked = now;
  model.second++;
  if (model.status === "live") {
    for (const actor of model.actors.values()) {
      actor.rate = Math.max(0, actor.n - (actor.seen ?? actor.n)) / seconds;
      actor.busy = Math.min(1, Math.max(0, actor.busy_ms - (actor.busyThen ?? 0)) / 1000 / seconds);
      [actor.seen, actor.busyThen] = [actor.n, actor.busy_ms];
      if (actor.depth && !actor.hist) actor.hist = new Array(SECONDS).fill(0);
      if (actor.hist) actor.hist = [...actor.hist.slice(1 - SECONDS), actor.depth];
      if (actor.sum?.depth && !actor.trail) actor.trail = new Array(SECONDS).fill(0);
      if (actor.trail) actor.trail = [...actor.trail.slice(1 - SECONDS), actor.sum?.depth ?? 0];
    }
    rollUp();
  }
  changed();
}
