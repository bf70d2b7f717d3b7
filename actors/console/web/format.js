// Numbers into words. Everything that a person reads as a quantity goes through here.

const NANO = 1e9;

export function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return s % 60 ? `${min} min ${String(s % 60).padStart(2, "0")} s` : `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 ? `${h} h ${String(min % 60).padStart(2, "0")} min` : `${h} h`;
  return `${Math.floor(h / 24)} days`;
}

export function money(nano, digits) {
  if (nano === null || nano === undefined) return "unknown";
  const usd = nano / NANO;
  if (digits !== undefined) return `$${usd.toFixed(digits)}`;
  if (usd === 0) return "$0";
  if (usd < 0.000001) return "under $0.000001";
  if (usd < 0.001) return `$${Number(usd.toPrecision(2))}`;
  if (usd < 10) return `$${usd.toFixed(3)}`;
  return `$${usd.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

export function count(n) {
  if (n < 10_000) return Math.round(n).toLocaleString("en");
  if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)}k`;
  return `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)}M`;
}

export function rate(n) {
  if (n === 0) return "0";
  return n < 10 ? n.toFixed(1) : count(n);
}

export function share(x) {
  return `${Math.round(x * 100)} %`;
}

export function clock(at) {
  return new Date(at * 1000).toTimeString().slice(0, 8);
}

export function ago(at, now = Date.now()) {
  return `${span(Math.max(0, now - at * 1000))} ago`;
}

export function some(n, one, many = `${one}s`) {
  return `${n === 0 ? "no" : count(n)} ${n === 1 ? one : many}`;
}

// A name may have anything in it: each part of an address is written so that it is read as it was.
export function address(first, path) {
  return `#/${[first, ...path.split("/")].map(encodeURIComponent).join("/")}`;
}

export function parts(hash) {
  return hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part; // typed by hand, with a percent sign that stands for itself
    }
  });
}
