// Which rows the tree shows, in which order: pure functions over the model.

import { model } from "./model.js";

// Groups larger than this are closed at first: nobody reads ten thousand conversations.
const OPEN_BELOW = 200;

export const SORTS = {
  tree: null,
  mailbox: (actor) => actor.depth,
  rate: (actor) => actor.rate,
  oldest: (actor) => Math.max(actor.oldest_ms, actor.cur_ms),
  restarts: (actor) => actor.restarts,
};

export function isOpen(opened, path) {
  return opened.get(path) ?? (model.below.get(path)?.length ?? 0) < OPEN_BELOW;
}

function wanted({ words, show }) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!parts.length && show === "all") return null;
  return (actor) => {
    if (show === "problems" && actor.health === "ok") return false;
    if (show === "active" && !actor.rate && !actor.depth && !actor.in_hand) return false;
    const text = `${actor.path} ${actor.kind}`.toLowerCase();
    return parts.every((part) => text.includes(part));
  };
}

// The rows, each with its depth in the tree. With a filter, those that match and what is above them.
export function rowsOf({ words, show, sort, opened }) {
  const keep = wanted({ words, show });
  if (sort !== "tree") {
    const by = SORTS[sort];
    const found = [];
    for (const actor of model.actors.values())
      if (!actor.sum && (keep === null || keep(actor))) found.push(actor);
    found.sort((a, b) => by(b) - by(a) || (a.path < b.path ? -1 : 1));
    return found.slice(0, 2000).map((actor) => ({ actor, level: 0, flat: true }));
  }
  let there = null;
  if (keep) {
    there = new Set();
    for (const actor of model.actors.values()) {
      if (!keep(actor)) continue;
      for (let each = actor; each && !there.has(each.path); each = model.byPath.get(each.up)) there.add(each.path);
    }
  }
  const rows = [];
  const walk = (path, level) => {
    for (const actor of model.below.get(path) ?? []) {
      if (there && !there.has(actor.path)) continue;
      rows.push({ actor, level });
      if (model.below.has(actor.path) && (there || isOpen(opened, actor.path))) walk(actor.path, level + 1);
    }
  };
  walk("", 0);
  return rows;
}

// One list of cells a group: those of a large one stand for several actors, the worst shown.
export function cells(most = 190) {
  const groups = new Map();
  for (const actor of model.actors.values()) {
    if (actor.sum) continue;
    const name = actor.path.includes("/") ? actor.path.slice(0, actor.path.indexOf("/")) : "program";
    if (groups.has(name)) groups.get(name).push(actor);
    else groups.set(name, [actor]);
  }
  return [...groups].map(([name, actors]) => {
    const each = Math.ceil(actors.length / most);
    const found = [];
    for (let i = 0; i < actors.length; i += each) {
      let worst = actors[i];
      for (let j = i + 1; j < Math.min(i + each, actors.length); j++) if (grade(actors[j]) > grade(worst)) worst = actors[j];
      found.push(worst);
    }
    return { name, actors: actors.length, each, cells: found };
  });
}

const GRADES = { backlogged: 10, limiting: 10, "backing off": 10, suspended: 9 };

export function grade(actor) {
  if (actor.health !== "ok") return GRADES[actor.health] ?? 20;
  if (actor.in_hand || actor.rate > 5) return 3;
  return actor.rate > 0 ? 2 : 1;
}
