"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const SYMBOLS = {none: "·", some: "◧", all: "■", unknown: "?", opened: "+", closed: "−", moved: "±"};
const WORDS = {none: "nothing", some: "some ports", all: "every port", unknown: "unknown", opened: "opens", closed: "closes", moved: "opens and closes"};
const MAX_CELLS = 60000, MAX_HITS = 40, MAX_NAMES = 12, MAX_CHANGES = 60;

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
  if (!isEmpty(set.unknown)) parts.push("unknown: " + portsOf(set.unknown));
  return parts.join("; ") || "nothing";
}

let cluster, expanded, isChangesOnly;
const map = make("div", {class: "map", tabindex: "-1"});
const side = make("aside", {class: "side", "aria-live": "polite", "aria-label": "selection"});

/* What the flows between two lists of ends come to. */
function summary(froms, tos) {
  const kinds = new Set();
  let pairs = 0, closedPairs = 0;
  const weights = list => { const by = new Map(); for (const end of list) { if (!by.has(end.node)) by.set(end.node, []); by.get(end.node).push(end); } return by; };
  const columns = weights(tos);
  for (const [node, rows] of weights(froms)) {
    for (const [other, cols] of columns) {
      let number = rows.length * cols.length;
      if (node === other) number -= rows.filter(end => cols.includes(end) && !cluster.isFlow(end, end)).length;
      if (!number) continue;
      const kind = cluster.kinds[cluster.between(rows[0], cols[0])];
      if (kind === "none") closedPairs += number; else { kinds.add(kind); pairs += number; }
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
  return {kind, pairs, total: pairs + closedPairs, isUnknown: has("unknown")};
}

const stateOf = end => end.state ? " (" + end.state + ")" : "";

/* The rows of the table, which are its columns as well. */
function lines() {
  const list = [];
  for (const space of cluster.spaces) {
    const ends = isChangesOnly ? space.ends.filter(end => cluster.touched[end.node]) : space.ends;
    if (!ends.length) continue;
    list.push({space, ends, label: space.name, isSpace: true});
    if (expanded.has(space)) for (const end of ends) list.push({space, ends: [end], label: (end.space < 0 ? end.label : end.kind + "/" + end.name) + stateOf(end), end});
  }
  return list;
}

function drawMap(focus) {
  const list = lines();
  map.replaceChildren(legend());
  if (cluster.raw.diff && cluster.changes.length) {
    const box = make("input", {type: "checkbox", checked: isChangesOnly, onchange: () => { isChangesOnly = box.checked; drawMap(); }});
    map.append(make("label", {class: "only"}, box, " only what changes"));
  }
  if (list.length * list.length > MAX_CELLS) {
    map.append(make("p", {}, "This would be a table of " + list.length + " × " + list.length + ". Close a namespace, or search for a workload."));
  }
  const shown = list.length * list.length > MAX_CELLS ? list.filter(line => line.isSpace) : list;
  const heads = shown.map(line => make("th", {scope: "col", class: line.isSpace ? "space" : "load"}, head(line, true)));
  const table = make("table", {"aria-label": "from the rows to the columns"}, make("thead", {}, make("tr", {}, make("th", {}, make("span", {class: "soft"}, "from ↓  to →")), ...heads)));
  const body = make("tbody");
  shown.forEach((from, row) => {
    const cells = shown.map((to, column) => {
      const result = summary(from.ends, to.ends);
      const words = from.label + " to " + to.label + ": " + (result.total ? WORDS[result.kind] + (result.total > 1 ? ", " + result.pairs + " of " + result.total + " pairs" : "") + (result.isUnknown && result.kind !== "unknown" ? ", some unknown" : "") : "not asked");
      const symbol = result.total ? SYMBOLS[result.kind] + (result.isUnknown && result.kind !== "unknown" ? "?" : "") : "";
      return make("td", {}, make("button", {class: "k-" + result.kind, title: words, "aria-label": words, "data-at": row + "," + column, tabindex: row + column ? "-1" : "0", onclick: () => chooseCell(from, to)}, symbol));
    });
    body.append(make("tr", {}, make("th", {scope: "row", class: from.isSpace ? "space" : "load"}, head(from, false)), ...cells));
  });
  table.append(body);
  table.addEventListener("keydown", move);
  map.append(table);
  if (focus) { const found = [...table.querySelectorAll("tbody th button")].find(button => button.title === focus); if (found) found.focus(); }
}

/* A column is narrow: there a name stands without its kind. */
function head(line, isColumn) {
  const isOpen = expanded.has(line.space);
  const text = line.isSpace ? (isOpen ? "▾ " : "▸ ") + line.label + " (" + line.ends.length + ")" : isColumn && line.end.name ? line.end.name + stateOf(line.end) : line.label;
  const title = line.isSpace ? line.label : line.end.label;
  return make("button", {title, "aria-expanded": line.isSpace ? String(isOpen) : null, onclick: () => {
    if (!line.isSpace) return choose(line.end);
    if (isOpen) expanded.delete(line.space); else expanded.add(line.space);
    drawMap(title);
  }}, text);
}

/* Arrow keys walk the cells. */
function move(event) {
  const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
  const at = event.target.getAttribute("data-at");
  if (!step || !at) return;
  const [row, column] = at.split(",").map(Number);
  const next = map.querySelector('[data-at="' + (row + step[0]) + "," + (column + step[1]) + '"]');
  if (next) { event.target.tabIndex = -1; next.tabIndex = 0; next.focus(); event.preventDefault(); }
}

function legend() {
  const kinds = cluster.raw.diff ? ["opened", "closed", "moved", "some", "all", "unknown", "none"] : ["all", "some", "unknown", "none"];
  return make("div", {class: "legend"}, ...kinds.map(kind => make("span", {}, make("span", {class: "k-" + kind}, SYMBOLS[kind]), WORDS[kind])));
}

const link = end => make("button", {onclick: () => choose(end)}, end.label);

/* Ends with the same ports for the same reasons stand together. */
function flows(pairs) {
  const groups = new Map();
  for (const {from, to, other} of pairs) {
    const set = cluster.between(from, to);
    if (cluster.kinds[set] === "none" || !cluster.isFlow(from, to)) continue;
    const why = cluster.why(from, to);
    const key = set + "\n" + why.join("\n");
    if (!groups.has(key)) groups.set(key, {set, why, others: []});
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
    list.append(make("li", {}, make("div", {}, make("span", {class: "tag k-" + kind}, SYMBOLS[kind] + " " + WORDS[kind]), " ", make("span", {class: "ports"}, cluster.texts[group.set])), names, ...group.why.map(text => make("div", {class: "why"}, text))));
  }
  return list;
}

/* On a narrow screen the selection stands below the table. */
function show() {
  side.scrollTop = 0;
  if (matchMedia("(max-width:52rem)").matches) side.scrollIntoView();
}

function choose(end) {
  const into = cluster.all.map(other => ({from: other, to: end, other}));
  const out = cluster.all.map(other => ({from: end, to: other, other}));
  const number = pairs => pairs.filter(({from, to}) => cluster.isFlow(from, to) && cluster.kinds[cluster.between(from, to)] !== "none").length;
  const place = (end.at ? cluster.raw.files[end.at[0]] + ":" + end.at[1] : end.ranges.slice(0, 8).join(", ")) + stateOf(end);
  side.replaceChildren(make("h2", {}, end.label), make("p", {class: "soft"}, place),
    make("h3", {}, "Reached by " + number(into)), flows(into), make("h3", {}, "Reaches " + number(out)), flows(out));
  show();
}

function chooseCell(from, to) {
  const pairs = [];
  for (const one of from.ends) for (const two of to.ends) pairs.push({from: one, to: two, other: [one, two]});
  const result = summary(from.ends, to.ends);
  side.replaceChildren(make("h2", {}, from.label + " → " + to.label), make("p", {class: "soft"}, WORDS[result.kind] + ", " + result.pairs + " of " + count(result.total, "pair")), flows(pairs));
  show();
}

/* The lines of a difference, those that matter most first. */
function changeList() {
  const list = make("ul", {class: "flows"});
  const add = changes => changes.forEach(change => {
    const ends = side => cluster.all.filter(end => change[side][end.node]);
    const show = () => chooseCell({ends: ends("from"), label: change.ends[0]}, {ends: ends("to"), label: change.ends[1]});
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
  home();
  drawMap();
}

function home() {
  const number = cluster.spaces.filter(space => !space.isOutside).length;
  side.replaceChildren(...notes(data.notes),
    make("p", {}, count(cluster.ends.length, "workload") + " in " + count(number, "namespace") + "."),
    make("p", {class: "soft"}, "Open a namespace, choose a workload or a cell, or search (/). Arrow keys walk the table."),
    ...(cluster.raw.diff ? [changeList()] : []), ...notes(cluster.raw.notes || []));
  side.scrollTop = 0;
}

const hits = make("ul", {class: "hits", hidden: true});
const field = make("input", {type: "search", placeholder: "search for a workload", "aria-label": "search for a workload", oninput: find, onkeydown: event => {
  if (event.key === "Enter") { const first = hits.querySelector("button"); if (first) first.click(); }
  if (event.key === "Escape") { field.value = ""; find(); }
}});
function find() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length && cluster ? cluster.all.filter(end => words.every(word => end.label.toLowerCase().includes(word))) : [];
  hits.replaceChildren(...found.slice(0, MAX_HITS).map(end => make("li", {}, make("button", {onclick: () => { choose(end); hits.hidden = true; }}, end.label))));
  if (words.length && !found.length) hits.append(make("li", {class: "soft"}, "no workload of that name"));
  hits.hidden = !words.length;
}
document.addEventListener("keydown", event => { if (event.key === "/" && event.target.tagName !== "INPUT") { field.focus(); event.preventDefault(); } });

const themes = ["auto", "dark", "light"];
const theme = make("button", {onclick: () => {
  const next = themes[(themes.indexOf(theme.dataset.theme) + 1) % themes.length];
  theme.dataset.theme = next; theme.textContent = "colors: " + next;
  if (next === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = next;
}}, "colors: auto");
theme.dataset.theme = "auto";

const header = make("header", {}, make("h1", {}, make("button", {class: "home", title: "back to the start", onclick: () => cluster && home()}, data.title)), make("div", {class: "find"}, field, hits));
if (data.clusters.length > 1) {
  header.append(make("select", {"aria-label": "cluster", onchange: event => open(Number(event.target.value))}, ...data.clusters.map((one, index) => make("option", {value: index}, one.name || "cluster " + (index + 1)))));
}
header.append(theme, make("span", {class: "soft"}, data.tool));
document.body.append(header, make("main", {}, map, side));
if (data.clusters.length) open(0); else side.replaceChildren(...notes(data.notes));
})();
