// Keeps the status page current: listens to /gossip/events and asks the JSON interface.
//
// Everything shown comes from strangers: it enters the page as text, never as markup. The markup is
// the server's own, in the page's <template> elements, and so are the words.

const POLL = 5_000; // ms between two looks at health and counters
const MEMBERS = 10_000; // ms between two looks at the members where nothing happens to them
const MANY = 200; // members beyond which that takes six times as long
const PAUSE = 1_000; // ms between two looks at the same list, however much happens
const TYPING = 200; // ms without a key before what was typed is looked for
const WITHIN = 8_000; // ms for one answer
const RETRY = 5_000; // ms, the longest wait before the next attempt to listen
const RUSH = 500; // changes of data in a second beyond which the page stops listening to them
const CALM = 15_000; // ms after which it tries again; meanwhile it looks every 5 s
const LATELY = 12; // events of members that are listed
const SHOWN = 16_384; // characters of a value
const PREVIEW = 120;

const HAPPENED = {
  peer_joined: "joined",
  peer_suspected: "is suspected",
  peer_refuted: "is back",
  peer_left: "left in order",
  peer_removed: "was removed after a long silence",
};
const STATUS_NAMES = { inactive: "left" };

const at = (id) => document.getElementById(id);
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const slot = (root, name) => root.querySelector(`[data-slot="${name}"]`);
const show = (element, visible) => { element.hidden = !visible; };
const clone = (selector) => document.querySelector(selector).content.firstElementChild.cloneNode(true);
const grouped = (number) => number.toLocaleString("en");

class Unreachable extends Error {}

async function ask(path) {
  try {
    const answer = await fetch(path, { signal: AbortSignal.timeout(WITHIN), cache: "no-store" });
    if (answer.ok) return await answer.json();
  } catch {
    // Refused, cut off or too late: all the same to whoever looks.
  }
  throw new Unreachable(path);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    unreachable();
  }
}

// Calls of `work` that never overlap and keep a distance; a call meanwhile leads to one more.
function gently(work) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) { again = true; return; }
    running = true;
    await attempt(work);
    setTimeout(() => { running = false; if (again) { again = false; run(); } }, PAUSE);
  };
}

// Times

let ahead = 0; // ms by which the node's clock is ahead of ours
const now = () => Date.now() + ahead;

function duration(seconds) {
  const [minutes, hours, days] = [60, 3_600, 86_400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-slot=seen]")) {
    const seconds = Math.floor((now() - Date.parse(time.dateTime)) / 1_000);
    if (Number.isNaN(seconds)) continue;
    say(time, seconds < 2 ? "just now" : `${duration(seconds)} ago`);
  }
  const up = at("node-uptime");
  say(up, duration(Math.max(0, Math.floor((now() - Date.parse(up.dateTime)) / 1_000))));
}

// Lists: elements are kept as long as their item is there, with their focus and what is open.

function list(parent, items, name, make, fill = () => {}) {
  const held = new Map([...parent.children].map((element) => [name(element), element]));
  items.forEach((item, place) => {
    const element = held.get(item.name) ?? make(item);
    held.delete(item.name);
    fill(element, item);
    if (parent.children[place] !== element) parent.insertBefore(element, parent.children[place] ?? null);
  });
  for (const element of held.values()) element.remove();
}

function freshen(element) {
  element.classList.remove("fresh");
  void element.offsetWidth; // so that the animation starts again
  element.classList.add("fresh");
}

// Health

function showHealth(health) {
  ahead = Date.parse(health.timestamp) - Date.now();
  say(at("count-active"), grouped(health.peers.active));
  say(at("count-suspected"), grouped(health.peers.suspected));
  at("count-suspected").classList.toggle("some", health.peers.suspected > 0);
  if (document.body.dataset.status !== health.status) {
    document.body.dataset.status = health.status;
    const [title, meaning, advice] = document.querySelector(`[data-verdict="${health.status}"]`).content.children;
    say(at("verdict-title"), title.textContent);
    say(at("verdict-meaning"), meaning.textContent);
    say(at("verdict-advice"), advice.textContent);
    document.title = `${title.textContent} · ${at("header-id").textContent} · gossipnode`;
  }
  const reasons = health.reasons.map((reason) => ({ name: reason }));
  list(at("reasons"), reasons, (element) => slot(element, "reason").textContent, explain);
}

function explain({ name }) {
  const kind = CSS.escape(name.split(":")[0]);
  const known = document.querySelector(`template[data-reason="${kind}"]`) ? kind : "other";
  const element = clone(`template[data-reason="${known}"]`);
  say(slot(element, "reason"), name);
  return element;
}

// Members

const rows = Number(document.body.dataset.rows);
let members = null; // not known yet: the server's rows stand meanwhile
let page = Number(new URLSearchParams(location.search).get("page")) || 1;

function short(id) {
  return id.length <= 20 ? id : `${id.slice(0, 10)}…${id.slice(-6)}`;
}

function link(text) {
  return /^https?:\/\//.test(text) ? text : null;
}

function showMembers() {
  if (!members) return;
  const [text, status] = [at("member").value.toLowerCase(), at("status").value];
  const found = members.filter((member) => (status === "all" || member.status === status)
    && [member.nodeId, member.apiEndpoint ?? "", member.gossipEndpoint ?? ""].some((place) => place.toLowerCase().includes(text)));
  const pages = Math.max(1, Math.ceil(found.length / rows));
  page = Math.min(Math.max(page, 1), pages);
  const first = rows * (page - 1);
  const shown = found.slice(first, first + rows).map((member) => ({ name: member.nodeId, member }));
  list(at("members"), shown, (row) => slot(row, "id").title, () => clone("#member-template"), fillMember);
  tick();
  say(at("members-none"), members.length ? "No member is like that." : "No other node has joined yet.");
  show(at("members-none"), !found.length);
  say(at("members-range"), found.length ? `${first + 1}–${first + shown.length} of ${found.length}` : "");
  show(at("members-before"), page > 1);
  show(at("members-behind"), page < pages);
  showPips();
}

function fillMember(row, { member }) {
  const address = member.apiEndpoint ?? member.gossipEndpoint ?? "";
  if (row.dataset.status !== member.status) {
    if (row.isConnected) freshen(row);
    row.dataset.status = member.status;
  }
  slot(row, "id").title = member.nodeId;
  say(slot(row, "id"), short(member.nodeId));
  say(slot(row, "address"), address);
  if (link(address)) slot(row, "address").href = address; else slot(row, "address").removeAttribute("href");
  say(slot(row, "status"), STATUS_NAMES[member.status] ?? member.status);
  slot(row, "seen").dateTime = member.lastSeen ?? "";
  say(slot(row, "about"), [member.region, member.version].filter(Boolean).join(" · "));
  say(slot(row, "heartbeats"), grouped(member.heartbeatCount));
}

function showPips() {
  const most = Number(document.body.dataset.pips);
  const shown = members.slice(0, most).map((member) => ({ name: member.nodeId, status: member.status }));
  const more = at("pips-more");
  const pips = at("pips");
  while (pips.querySelectorAll("i").length > shown.length) pips.querySelector("i").remove();
  while (pips.querySelectorAll("i").length < shown.length) pips.insertBefore(document.createElement("i"), more);
  pips.querySelectorAll("i").forEach((pip, place) => { pip.dataset.status = shown[place].status; });
  say(more, members.length > most ? `+${grouped(members.length - most)}` : "");
}

function showNode(me) {
  say(at("node-id"), me.nodeId);
  say(at("header-id"), short(me.nodeId));
  say(at("node-api"), me.apiEndpoint ?? "none");
  say(at("node-gossip"), me.gossipEndpoint ?? "none: it dials others");
  say(at("node-region"), me.region || "not named");
  say(at("node-version"), me.version);
}

const refreshMembers = gently(async () => {
  const { peers: [me, ...others] } = await ask("/gossip/peers?status=all");
  members = others;
  showNode(me);
  showMembers();
});

// Data

const asked = { prefix: at("prefix").value, after: at("data-pager").dataset.after };
let last = at("data-pager").dataset.last || null; // the last key of the page, where another follows

// Keys are ordered by code point. An object of JavaScript is not: "10" would stand before "9".
function inOrder(left, right) {
  const [a, b] = [[...left], [...right]];
  for (let place = 0; place < Math.min(a.length, b.length); place += 1) {
    if (a[place] !== b[place]) return a[place].codePointAt(0) - b[place].codePointAt(0);
  }
  return a.length - b.length;
}

async function loadData() {
  const wanted = { ...asked };
  const query = new URLSearchParams({ prefix: wanted.prefix, after: wanted.after, limit: rows + 1 });
  const { data } = await ask(`/gossip/data?${query}`);
  if (wanted.prefix !== asked.prefix || wanted.after !== asked.after) return;
  const found = Object.keys(data).sort(inOrder);
  const shown = found.slice(0, rows).map((key) => ({ name: key, value: data[key] }));
  last = found.length > rows ? found[rows - 1] : null;
  const known = at("entries").childElementCount > 0;
  list(at("entries"), shown, (entry) => slot(entry, "key").textContent, () => clone("#entry-template"),
    (entry, item) => fillEntry(entry, item, known));
  const nothing = asked.prefix ? "No key begins like that." : "Nothing has been written yet.";
  say(at("entries-none"), asked.after ? "Nothing comes behind that." : nothing);
  show(at("entries-none"), !shown.length);
  show(at("data-first"), asked.after !== "");
  show(at("data-behind"), last !== null);
}

const refreshData = gently(loadData);

function fillEntry(entry, { name, value }, known) {
  const compact = JSON.stringify(value);
  const whole = compact.length <= SHOWN;
  const text = whole ? JSON.stringify(value, null, 2) : compact.slice(0, SHOWN);
  const changed = slot(entry, "value").textContent !== text;
  say(slot(entry, "key"), name);
  say(slot(entry, "preview"), compact.slice(0, PREVIEW));
  say(slot(entry, "value"), text);
  say(slot(entry, "rest"), whole ? "" : `The first ${grouped(SHOWN)} of ${grouped(compact.length)} characters.`);
  slot(entry, "href").href = `/gossip/data/${encodeURIComponent(name)}`;
  if (changed && known) freshen(entry);
}

function look(prefix, after) {
  Object.assign(asked, { prefix, after });
  last = null; // not known yet: every change behind `after` may concern the page
  const query = new URLSearchParams(location.search);
  for (const [name, text] of Object.entries(asked)) {
    if (text) query.set(name, text); else query.delete(name);
  }
  history.replaceState(null, "", `?${query}`);
  attempt(loadData); // at once: somebody waits for it
}

function concerns(key) {
  return inOrder(key, asked.after) > 0 && (last === null || inOrder(key, last) <= 0);
}

// Counters

let counted = null;

const refreshCounters = gently(async () => {
  const [{ health }, { stats }] = await Promise.all([ask("/gossip/health"), ask("/gossip/stats")]);
  reached();
  showHealth(health);
  const since = counted && (performance.now() - counted.at) / 1_000;
  for (const row of document.querySelectorAll("[data-counter]")) {
    const value = stats[row.dataset.counter];
    say(slot(row, "value"), grouped(value));
    if (!since || "gauge" in row.dataset) continue;
    const rate = Math.max(0, value - counted.stats[row.dataset.counter]) / since;
    const text = rate.toLocaleString("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
    say(slot(row, "rate"), rate < 0.05 ? "" : `${text}/s`);
  }
  if (since) say(at("counters-span"), "since the start, and now");
  say(at("count-keys"), grouped(stats.keys));
  counted = { stats, at: performance.now() };
  showRefused(stats.refused);
});

function showRefused(refused) {
  const items = Object.entries(refused).map(([name, count]) => ({ name, count }));
  items.sort((a, b) => b.count - a.count || inOrder(a.name, b.name));
  const words = at("refused-words").content;
  list(at("refused"), items, (row) => slot(row, "reason").textContent, () => clone("#refused-template"),
    (row, { name, count }) => {
      say(slot(row, "words"), words.querySelector(`[data-reason="${CSS.escape(name)}"]`)?.textContent ?? "Something else");
      say(slot(row, "reason"), name);
      say(slot(row, "count"), grouped(count));
    });
  show(at("refused-none"), !items.length);
}

// Whether we hear the node

let silent = false;
let listening = false;

function announce() {
  const state = silent ? "gone" : listening ? "live" : "slow";
  at("live").dataset.state = state;
  say(at("live"), { gone: "Not reachable", live: "Live", slow: `Looking every ${POLL / 1_000} s` }[state]);
}

function unreachable() {
  if (!silent) {
    silent = true;
    document.body.dataset.reach = "gone";
    say(at("banner"), `This node has not answered since ${new Date().toLocaleTimeString()}. What you see is from then. Trying again…`);
    show(at("banner"), true);
  }
  announce();
}

function reached() {
  if (!silent) return;
  silent = false;
  delete document.body.dataset.reach;
  show(at("banner"), false);
  announce();
  refreshMembers();
  refreshData();
}

let source = null;
let heard = 0; // changes of data in this second
let rushed = false;
let attempts = 0;
let retry = 0;

function listen() {
  clearTimeout(retry);
  source?.close();
  if (document.hidden) return;
  const wanted = new URLSearchParams({ prefix: asked.prefix });
  if (rushed) wanted.set("types", Object.keys(HAPPENED));
  source = new EventSource(`/gossip/events?${wanted}`);
  source.addEventListener("hello", (event) => {
    attempts = 0;
    listening = true;
    at("node-uptime").dateTime = JSON.parse(event.data).startedAt ?? new Date(now()).toISOString();
    announce();
    // Whatever happened while nobody listened.
    refreshCounters();
    refreshMembers();
    refreshData();
  });
  for (const kind of ["data_set", "data_deleted"]) {
    source.addEventListener(kind, (event) => {
      heard += 1;
      if (heard > RUSH) calm(); else if (concerns(JSON.parse(event.data).key)) refreshData();
    });
  }
  for (const [kind, words] of Object.entries(HAPPENED)) {
    source.addEventListener(kind, (event) => {
      note(JSON.parse(event.data), words);
      refreshMembers();
      refreshCounters();
    });
  }
  source.onerror = () => {
    source.close();
    listening = false;
    announce();
    refreshCounters();
    attempts += 1;
    retry = setTimeout(listen, Math.min(RETRY, 500 * 2 ** attempts) * (0.75 + Math.random() / 2));
  };
}

// Nobody reads a flood, and telling it costs the node as much as taking it in.
function calm() {
  if (rushed) return;
  rushed = true;
  listen();
  setTimeout(() => { rushed = false; listen(); }, CALM);
}

// Browsers hold six connections to a node at most, for all of their tabs together.
function attend() {
  if (document.hidden) {
    source?.close();
    listening = false;
    announce();
  } else {
    listen();
  }
}

function note({ nodeId, detail }, words) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  const text = document.createElement("p");
  const id = document.createElement("code");
  time.textContent = new Date(now()).toLocaleTimeString();
  id.textContent = short(nodeId);
  id.title = nodeId;
  text.append(id, ` ${words}`);
  item.append(time, text);
  if (words === HAPPENED.peer_suspected && detail) {
    const why = document.createElement("p");
    why.className = "quiet";
    why.textContent = detail;
    item.append(why);
  }
  at("lately").prepend(item);
  if (at("lately").childElementCount > LATELY) at("lately").lastElementChild.remove();
  show(at("lately-none"), false);
}

function begin() {
  show(at("lately-section"), true);
  // What is typed counts at once.
  for (const button of document.querySelectorAll("form button")) show(button, false);
  at("members-form").addEventListener("submit", (event) => event.preventDefault());
  for (const [id, kind] of [["member", "input"], ["status", "change"]]) {
    at(id).addEventListener(kind, () => { page = 1; showMembers(); });
  }
  for (const [id, step] of [["members-before", -1], ["members-behind", 1]]) {
    at(id).addEventListener("click", (event) => { event.preventDefault(); page += step; showMembers(); });
  }
  let typing = 0;
  const search = () => {
    clearTimeout(typing);
    if (at("prefix").value === asked.prefix && !asked.after) return;
    look(at("prefix").value, "");
    clearTimeout(retry);
    retry = setTimeout(listen, PAUSE);
  };
  at("prefix").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, TYPING); });
  at("data-form").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  at("data-first").addEventListener("click", (event) => { event.preventDefault(); look(asked.prefix, ""); });
  at("data-behind").addEventListener("click", (event) => { event.preventDefault(); if (last !== null) look(asked.prefix, last); });
  document.addEventListener("visibilitychange", attend);
  setInterval(() => { heard = 0; tick(); }, 1_000);
  setInterval(() => { refreshCounters(); if (rushed) refreshData(); }, POLL);
  let looks = 0;
  setInterval(() => {
    looks += 1;
    if (!document.hidden && (!members || members.length <= MANY || looks % 6 === 0)) refreshMembers();
  }, MEMBERS);
  listen();
}

begin();
