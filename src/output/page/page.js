"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const SYMBOLS = {none: "·", some: "◧", all: "■", unknown: "?", opened: "+", closed: "−", moved: "±"};
const WORDS = {none: "nothing", some: "some ports", all: "every port", unknown: "unknown", opened: "opens", closed: "closes", moved: "opens and closes"};
const MAX_CELLS = 60000, MAX_HITS = 40, MAX_NAMES = 12, MAX_CHANGES = 60, PAPER_COLUMNS = 20, PAGE_ROWS = 10;

/* Markup is made of elements and text only: a name is never read as markup. */
const make = (tag, props = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
};
const count = (number, noun) => number + " " + noun + (number === 1 ? "" : "s");

/* One cluster, decoded. */
class Cluster {
  constructor(raw) {
    this.raw = raw;
    this.size = raw.groups + raw.outside.length;
    this.rows = raw.rows.map(runs => {
      const row = new Uint32Array(this.size);
      let at = 0;
      for (let i = 0; i < runs.length; i += 2) { row.fill(runs[i], at, at + runs[i + 1]); at += runs[i + 1]; }
      return row;
    });
    this.kinds = raw.sets.map(kindOf);
    this.texts = raw.sets.map(textOf);
    this.ends = raw.workloads.map(([space, kind, name, node, at, state]) => ({space, node, kind, name, at, state, label: raw.namespaces[space] + "/" + kind + "/" + name}));
    const spaces = raw.namespaces.map((name, space) => ({name, ends: this.ends.filter(end => end.space === space)})).filter(space => space.ends.length);
    this.outside = raw.outside.map((part, index) => ({space: -1, node: raw.groups + index, kind: "outside", label: part.name, ranges: part.ranges}));
    if (this.outside.length) spaces.push({name: "outside", ends: this.outside, isOutside: true});
    this.spaces = spaces;
    this.all = this.ends.concat(this.outside);
    this.peers = new Map();
    /* Of a difference: which nodes each change is about, and which nodes any is about. */
    this.touched = new Uint8Array(this.size);
    this.changes = (raw.changes || []).map(change => {
      const [from, to] = [change.from, change.to].map(runs => this.nodes(runs));
      for (let node = 0; node < this.size; node++) if (from[node] || to[node]) this.touched[node] = 1;
      return {...change, from, to};
    });
  }
  nodes(runs) {
    const nodes = new Uint8Array(this.size);
    for (let i = 0; i < runs.length; i += 2) nodes.fill(1, runs[i], runs[i] + runs[i + 1]);
    return nodes;
  }
  between(from, to) { return this.rows[this.raw.rowOf[from.node]][to.node]; }
  /* A single Pod reaches itself whatever the policies, which is no flow. */
  isFlow(from, to) { return !(from === to && (from.kind === "Pod" || from.kind === "outside")); }
  isPeer(rule, node) {
    if (rule.peers === null) return true;
    if (!this.peers.has(rule)) this.peers.set(rule, this.nodes(rule.peers));
    return this.peers.get(rule)[node] === 1;
  }
  /* Why a flow is there, or what is to blame for its change, in words. */
  why(from, to) {
    if (this.raw.diff) return [...new Set(this.changes.filter(change => change.from[from.node] && change.to[to.node]).flatMap(change => change.causes))];
    return [this.rulesOf("out", from, to), this.rulesOf("in", to, from)].filter(text => text !== null);
  }
  /* The rules of one side that let a flow through, in words. */
  rulesOf(side, own, other) {
    const rules = this.raw.rules;
    if (!rules || own.kind === "outside") return null;
    const word = side === "in" ? "ingress" : "egress";
    const places = rules[side][own.node];
    if (places === null) return word + ": not isolated";
    let matching = places.map(place => rules.list[place]).filter(rule => rule.action !== "pass" && this.isPeer(rule, other.node));
    let note = "";
    if (!matching.some(rule => rule.action === "allow")) {
      const blocks = places.map(place => rules.list[place]).filter(rule => rule.blocks && rule.action === "allow");
      if (blocks.length) { matching = blocks; note = " (by address)"; }
      else return word + ": not isolated by a NetworkPolicy";
    }
    return word + ": " + matching.filter(rule => rule.action === "allow").map(rule => rule.name + " " + rules.files[rule.at[0]] + ":" + rule.at[1]).join(", ") + note;
  }
}

const isEmpty = list => !list || list.length === 0;
const isAll = list => list.length === 3 && list.every(([, ranges]) => ranges.length === 1 && ranges[0][0] === 1 && ranges[0][1] === 65535);
function kindOf(set) {
  if (!isEmpty(set.opened) && !isEmpty(set.closed)) return "moved";
  if (!isEmpty(set.opened)) return "opened";
  if (!isEmpty(set.closed)) return "closed";
  if (!isEmpty(set.doubtful)) return "unknown";
  if (isEmpty(set.open)) return isEmpty(set.unknown) ? "none" : "unknown";
  return isAll(set.open) ? "all" : "some";
}
const portsOf = list => isAll(list) ? "every port" : list.map(([protocol, ranges]) => protocol + " " + ranges.map(([first, last]) => first === 1 && last === 65535 ? "every port" : first === last ? first : first + "-" + last).join(",")).join("; ");
function textOf(set) {
  const parts = [];
  if (!isEmpty(set.opened)) parts.push("opens " + portsOf(set.opened));
  if (!isEmpty(set.closed)) parts.push("closes " + portsOf(set.closed));
  if (!isEmpty(set.doubtful)) parts.push("may open or close " + portsOf(set.doubtful));
  if (!isEmpty(set.open)) parts.push((parts.length ? "stays open " : "") + portsOf(set.open));
  if (!isEmpty(set.unknown)) parts.push((parts.length ? "unknown: " : "") + portsOf(set.unknown));
  return parts.join("; ") || "nothing";
}

let cluster, expanded, isChangesOnly;
/* What the side is about: the name of an end, or those of a row and a column. */
let chosen = [];
const map = make("div", {class: "map", tabindex: "-1"});
const topic = make("div", {class: "topic", tabindex: "-1", "aria-live": "polite"}), details = make("div");
const side = make("aside", {class: "side", "aria-label": "selection"}, topic, details);

/* What the flows between two lists of ends come to. */
function summary(froms, tos) {
  const kinds = new Set();
  let pairs = 0, closedPairs = 0, unknownPairs = 0;
  const weights = list => { const by = new Map(); for (const end of list) { if (!by.has(end.node)) by.set(end.node, []); by.get(end.node).push(end); } return by; };
  const columns = weights(tos);
  for (const [node, rows] of weights(froms)) {
    for (const [other, cols] of columns) {
      let number = rows.length * cols.length;
      if (node === other) number -= rows.filter(end => cols.includes(end) && !cluster.isFlow(end, end)).length;
      if (!number) continue;
      const kind = cluster.kinds[cluster.between(rows[0], cols[0])];
      if (kind === "none") closedPairs += number; else { kinds.add(kind); pairs += number; }
      if (kind === "unknown") unknownPairs += number;
    }
  }
  let kind = "none";
  const has = name => kinds.has(name);
  if (has("moved") || (has("opened") && has("closed"))) kind = "moved";
  else if (has("opened")) kind = "opened";
  else if (has("closed")) kind = "closed";
  else if (has("all") && !closedPairs && !has("some") && !has("unknown")) kind = "all";
  else if (has("all") || has("some")) kind = "some";
  else if (has("unknown")) kind = "unknown";
  const known = pairs - unknownPairs;
  const total = pairs + closedPairs;
  const isMixed = has("unknown") && kind !== "unknown";
  const words = WORDS[kind] + (total > 1 && kind !== "unknown" ? ", " + known + " of " + total + " pairs" : "") + (isMixed || (kind === "unknown" && total > 1) ? ", " + unknownPairs + (isMixed ? " more unknown" : " of " + total + " pairs") : "");
  return {kind, total, words: total ? words : "the same end", isMixed};
}

const stateOf = end => end.state ? " (" + end.state + ")" : "";

/* The rows of the table, which are its columns as well. */
function lines() {
  const list = [];
  for (const space of cluster.spaces) {
    const ends = isChangesOnly ? space.ends.filter(end => cluster.touched[end.node]) : space.ends;
    if (!ends.length) continue;
    list.push({space, ends, label: space.name, isSpace: true});
    if (expanded.has(space)) for (const end of ends) list.push({space, ends: [end], end});
  }
  return list;
}

/* Draws the map; on paper the columns stand in tables of a page's width. */
function drawMap(isOnPaper) {
  const list = lines();
  map.replaceChildren(legend());
  if (cluster.raw.diff && cluster.changes.length) {
    const box = make("input", {type: "checkbox", checked: isChangesOnly, onchange: () => { isChangesOnly = box.checked; drawMap(); }});
    map.append(make("label", {class: "only"}, box, " only what changes"));
  }
  const isTooMany = list.length * list.length > MAX_CELLS;
  if (isTooMany) {
    map.append(make("p", {}, "This would be a table of " + list.length + " × " + list.length + ". Close a namespace, or search for a workload."));
  }
  const shown = isTooMany ? list.filter(line => line.isSpace) : list;
  const width = isOnPaper ? PAPER_COLUMNS : shown.length;
  for (let first = 0; first < shown.length; first += width) map.append(table(shown, shown.slice(first, first + width)));
  mark();
}

function table(rows, columns) {
  const heads = columns.map((to, column) => make("th", {scope: "col", class: to.isSpace ? "space" : "load"}, head(to, -1, column)));
  const corner = make("th", {}, make("span", {class: "soft"}, "from ↓  to →"));
  const body = rows.map((from, row) => make("tr", {}, make("th", {scope: "row", class: from.isSpace ? "space" : "load"}, head(from, row, -1)), ...columns.map((to, column) => cell(from, to, row, column))));
  return make("table", {"aria-label": "from the rows to the columns", onkeydown: move, onfocusin: event => rest(event.target)}, make("thead", {}, make("tr", {}, corner, ...heads)), make("tbody", {}, ...body));
}

function cell(from, to, row, column) {
  const result = summary(from.ends, to.ends);
  const words = nameOf(from) + " to " + nameOf(to) + ": " + result.words;
  const symbol = result.total ? SYMBOLS[result.kind] + (result.isMixed ? "?" : "") : "";
  return make("td", {}, make("button", {class: "k-" + result.kind, title: words, "aria-label": words, "data-at": row + "," + column, "data-of": nameOf(from) + "\n" + nameOf(to), tabindex: row + column ? "-1" : "0", onclick: () => chooseCell(from, to)}, symbol));
}

const nameOf = line => line.isSpace ? line.label : line.end.label;

/* A column is narrow: there a name stands without its kind, as in the rows of a narrow screen. */
function head(line, row, column) {
  const isColumn = row < 0;
  const isOpen = expanded.has(line.space);
  const kind = line.isSpace || isColumn || !line.end.name ? null : make("span", {class: "kind"}, line.end.kind + "/");
  const text = line.isSpace ? (isOpen ? "▾ " : "▸ ") + line.label + " (" + line.ends.length + ")" : (line.end.name || line.end.label) + stateOf(line.end);
  return make("button", {title: nameOf(line), "aria-expanded": line.isSpace ? String(isOpen) : null, "data-at": row + "," + column, "data-of": nameOf(line), tabindex: "-1", onclick: () => {
    if (!line.isSpace) return choose(line.end);
    if (isOpen) expanded.delete(line.space); else expanded.add(line.space);
    drawMap();
    const again = [...map.querySelectorAll((isColumn ? "thead" : "tbody th") + " button")].find(button => button.title === line.label && button.hasAttribute("aria-expanded"));
    if (again) again.focus();
  }}, kind, text);
}

/* The table is one stop of the Tab key, at the place that had the focus last. */
const resting = () => map.querySelector('table [tabindex="0"]');
function rest(button) {
  const before = resting();
  if (before) before.tabIndex = -1;
  button.tabIndex = 0;
}

/* Keys walk the cells and, before the first of a row or a column, its name. */
function move(event) {
  const at = event.target.getAttribute("data-at");
  if (!at) return;
  const size = map.querySelector("tbody").rows.length, end = size - 1;
  const [row, column] = at.split(",").map(Number);
  const isFar = event.ctrlKey || event.metaKey;
  const next = {
    ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
    PageUp: [Math.max(row - PAGE_ROWS, -1), column], PageDown: [Math.min(row + PAGE_ROWS, end), column],
    Home: [isFar ? 0 : row, 0], End: [isFar ? end : row, end],
  }[event.key];
  if (!next) return;
  event.preventDefault();
  const button = map.querySelector('[data-at="' + next + '"]');
  if (!button) return;
  /* What gets the focus must not stand below the names that stay in sight. */
  const [top, left] = [map.querySelector("thead th").offsetHeight, map.querySelector("tbody th").offsetWidth];
  map.style.scrollPadding = top + "px 2px 2px " + left + "px";
  button.focus();
}

/* Shows in the table what the side is about. */
function mark() {
  for (const button of map.querySelectorAll(".chosen")) button.classList.remove("chosen");
  for (const button of map.querySelectorAll("table button")) {
    if (chosen.includes(button.getAttribute("data-of"))) button.classList.add("chosen");
  }
}

function legend() {
  const kinds = cluster.raw.diff ? ["opened", "closed", "moved", "some", "all", "unknown", "none"] : ["all", "some", "unknown", "none"];
  return make("div", {class: "legend"}, ...kinds.map(kind => make("span", {}, make("span", {class: "k-" + kind}, SYMBOLS[kind]), WORDS[kind])));
}

const link = end => make("button", {onclick: () => { choose(end); topic.focus(); }}, end.label);

/* The command that says what is missing: only for names that a shell takes as they are. */
function question(from, to) {
  const isPlain = [from, to].every(end => end.kind !== "outside" && /^[\w.\/-]+$/.test(end.label));
  return isPlain ? "what is missing: npcheck reach " + from.label + " " + to.label : null;
}

/* Ends with the same ports for the same reasons stand together. */
function flows(pairs) {
  const groups = new Map();
  for (const {from, to, other} of pairs) {
    const set = cluster.between(from, to);
    if (cluster.kinds[set] === "none" || !cluster.isFlow(from, to)) continue;
    const why = cluster.why(from, to);
    const key = set + "\n" + why.join("\n");
    if (!groups.has(key)) groups.set(key, {set, why, others: [], question: isEmpty(cluster.raw.sets[set].unknown) ? null : question(from, to)});
    groups.get(key).others.push(other);
  }
  const list = make("ul", {class: "flows"});
  const isChange = group => ["opened", "closed", "moved"].includes(cluster.kinds[group.set]);
  for (const group of [...groups.values()].sort((a, b) => isChange(b) - isChange(a) || b.others.length - a.others.length)) {
    const kind = cluster.kinds[group.set];
    const names = make("div", {class: "names"});
    const add = ends => ends.forEach(end => names.append(Array.isArray(end) ? make("div", {}, link(end[0]), " → ", link(end[1])) : make("div", {}, link(end))));
    add(group.others.slice(0, MAX_NAMES));
    if (group.others.length > MAX_NAMES) {
      const more = make("button", {onclick: () => { more.remove(); add(group.others.slice(MAX_NAMES)); }}, "and " + (group.others.length - MAX_NAMES) + " more");
      names.append(more);
    }
    list.append(make("li", {}, make("div", {}, make("span", {class: "tag k-" + kind}, SYMBOLS[kind] + " " + WORDS[kind]), " ", make("span", {class: "ports"}, cluster.texts[group.set])), names, ...group.why.concat(group.question || []).map(text => make("div", {class: "why"}, text))));
  }
  return list;
}

/* On a narrow screen the selection stands below the table. */
function show(of, title, text, ...content) {
  chosen = of;
  mark();
  topic.replaceChildren(make("h2", {}, title), make("p", {class: "soft"}, text));
  details.replaceChildren(...content);
  side.scrollTop = 0;
  if (matchMedia("(max-width:52rem)").matches) side.scrollIntoView();
}

function choose(end) {
  const into = cluster.all.map(other => ({from: other, to: end, other}));
  const out = cluster.all.map(other => ({from: end, to: other, other}));
  const number = pairs => {
    const kinds = pairs.filter(({from, to}) => cluster.isFlow(from, to)).map(({from, to}) => cluster.kinds[cluster.between(from, to)]);
    const unknown = kinds.filter(kind => kind === "unknown").length;
    return kinds.filter(kind => kind !== "none" && kind !== "unknown").length + (unknown ? ", and perhaps " + unknown + " more" : "");
  };
  const place = (end.at ? cluster.raw.files[end.at[0]] + ":" + end.at[1] : end.ranges.slice(0, 8).join(", ")) + stateOf(end);
  show([end.label], end.label, place,
    make("h3", {}, "Reached by " + number(into)), flows(into), make("h3", {}, "Reaches " + number(out)), flows(out));
}

function chooseCell(from, to) {
  const pairs = [];
  for (const one of from.ends) for (const two of to.ends) pairs.push({from: one, to: two, other: [one, two]});
  const [source, destination] = [nameOf(from), nameOf(to)];
  show([source + "\n" + destination], source + " → " + destination, summary(from.ends, to.ends).words, flows(pairs));
}

/* The lines of a difference, those that matter most first. */
function changeList() {
  const list = make("ul", {class: "flows"});
  const add = changes => changes.forEach(change => {
    const ends = side => cluster.all.filter(end => change[side][end.node]);
    const show = () => {
      chooseCell({ends: ends("from"), label: change.ends[0], isSpace: true}, {ends: ends("to"), label: change.ends[1], isSpace: true});
      topic.focus();
    };
    list.append(make("li", {},
      make("div", {}, make("span", {class: "tag k-" + change.kind}, SYMBOLS[change.kind] + " " + WORDS[change.kind]), " ", make("span", {class: "ports"}, portsOf(change.ports)), " ", make("span", {class: "soft"}, change.level)),
      make("div", {class: "names"}, make("button", {onclick: show}, change.ends[0] + " → " + change.ends[1])),
      ...change.causes.map(text => make("div", {class: "why"}, text))));
  });
  add(cluster.changes.slice(0, MAX_CHANGES));
  if (cluster.changes.length > MAX_CHANGES) {
    const more = make("button", {onclick: () => { more.parentNode.remove(); add(cluster.changes.slice(MAX_CHANGES)); }}, "and " + (cluster.changes.length - MAX_CHANGES) + " more");
    list.append(make("li", {}, more));
  }
  return list;
}

const notes = list => list.map(note => make("p", {class: "names"}, note));

function open(index) {
  cluster = new Cluster(data.clusters[index]);
  isChangesOnly = cluster.changes.length > 0;
  const ends = isChangesOnly ? cluster.ends.filter(end => cluster.touched[end.node]) : cluster.ends;
  expanded = new Set(ends.length <= 24 ? cluster.spaces : []);
  drawMap();
  home();
}

function home() {
  const number = cluster.spaces.filter(space => !space.isOutside).length;
  chosen = [];
  mark();
  topic.replaceChildren(...notes(data.notes), make("p", {}, count(cluster.ends.length, "workload") + " in " + count(number, "namespace") + "."));
  details.replaceChildren(make("p", {class: "soft hint"}, "Open a namespace, choose a workload or a cell, or search (/). Arrow keys walk the table; Escape comes back to it."),
    ...(cluster.raw.diff ? [changeList()] : []), ...notes(cluster.raw.notes || []));
  side.scrollTop = 0;
}

const hits = make("ul", {class: "hits", hidden: true});
const field = make("input", {type: "search", placeholder: "search for a workload", "aria-label": "search for a workload", oninput: find, onfocus: find, onkeydown: event => {
  const first = hits.querySelector("button");
  if (event.key === "Enter" && first) first.click();
  if (event.key === "ArrowDown" && first) { first.focus(); event.preventDefault(); }
}});
/* The arrow keys walk what was found, and back to what is searched for. */
hits.addEventListener("keydown", event => {
  const item = event.target.parentNode;
  const next = {ArrowDown: item.nextElementSibling, ArrowUp: item.previousElementSibling || field}[event.key];
  if (next) { (next.querySelector("button") || next).focus(); event.preventDefault(); }
});
function find() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length && cluster ? cluster.all.filter(end => words.every(word => end.label.toLowerCase().includes(word))) : [];
  hits.replaceChildren(...found.slice(0, MAX_HITS).map(end => make("li", {}, make("button", {onclick: () => { choose(end); hits.hidden = true; topic.focus(); }}, end.label))));
  if (words.length && !found.length) hits.append(make("li", {class: "soft"}, "no workload of that name"));
  hits.hidden = !words.length;
}
document.addEventListener("keydown", event => {
  if (event.key === "/" && event.target.tagName !== "INPUT") { field.focus(); event.preventDefault(); }
  if (event.key === "Escape") {
    field.value = "";
    find();
    const cell = resting();
    if (cell) cell.focus();
  }
});
window.addEventListener("beforeprint", () => cluster && drawMap(true));
window.addEventListener("afterprint", () => cluster && drawMap());

const themes = ["auto", "dark", "light"];
const theme = make("button", {onclick: () => {
  const next = themes[(themes.indexOf(theme.dataset.theme) + 1) % themes.length];
  theme.dataset.theme = next; theme.textContent = "colors: " + next;
  if (next === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = next;
}}, "colors: auto");
theme.dataset.theme = "auto";

const header = make("header", {}, make("h1", {}, make("button", {class: "home", title: "back to the start", onclick: () => cluster && home()}, data.title)), make("div", {class: "find", onfocusout: event => { if (!event.currentTarget.contains(event.relatedTarget)) hits.hidden = true; }}, field, hits));
if (data.clusters.length > 1) {
  header.append(make("select", {"aria-label": "cluster", onchange: event => open(Number(event.target.value))}, ...data.clusters.map((one, index) => make("option", {value: index}, one.name || "cluster " + (index + 1)))));
}
header.append(theme, make("span", {class: "soft"}, data.tool));
document.body.append(header, make("main", {}, map, side));
if (data.clusters.length) open(0); else topic.replaceChildren(...notes(data.notes));
})();
