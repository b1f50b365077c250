// The operators' page: asks /stats every two seconds and shows what it says.

const interval = 2000;
const element = (id) => document.getElementById(id);
let token = "";
let timer = 0;

const counts = { connections: "connections", rooms: "rooms", sessions: "sessions", ops: "operations" };
const outage = {
  journal: "operations waiting", queued: "told to wait", reconciles: "rooms compared", dataLoss: "operations lost",
};
const rates = { ops: "operations", events: "events", presence: "presence", nacks: "refused", delivered: "frames out" };
const latency = { p50: "half within", p99: "99 % within", max: "longest" };

// What a subsystem's outage means for people.
const meaning = {
  __proto__: null,
  collaboration: "sessions are kept in this instance's memory, and can be resumed here only",
  websockets: "presence and events reach people on this instance only",
  ordering: "people on this instance go on together; nothing new is confirmed",
};

function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

function ago(time) {
  return time > 0 ? `${duration(Date.now() - time)} ago` : "never";
}

function tiles(list, labels, values) {
  const nodes = Object.entries(labels).map(([key, label]) => {
    const tile = document.createElement("div");
    const name = document.createElement("dt");
    const value = document.createElement("dd");
    name.textContent = label;
    value.textContent = Number(values[key] ?? 0).toLocaleString();
    tile.append(name, value);
    return tile;
  });
  list.replaceChildren(...nodes);
}

function subsystems(body, all) {
  const rows = Object.entries(all).sort().map(([name, s]) => {
    const row = document.createElement("tr");
    for (const text of [name, s.backend, s.state, ago(s.since), ago(s.lastProof)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    row.children[2].dataset.state = s.state;
    return row;
  });
  body.replaceChildren(...rows);
}

// plain takes out what would turn the direction of the words behind it.
function plain(text) {
  return String(text).replace(/\p{Bidi_Control}/gu, "");
}

// troubles says in sentences what is not as it should be.
function troubles(stats) {
  const sentences = [];
  for (const [name, s] of Object.entries(stats.subsystems).sort()) {
    const where = `${s.partial ? "a part of " : ""}${plain(s.backend)}`;
    if (s.state === "degraded") {
      const reason = s.reason ? ` (${plain(s.reason)})` : "";
      sentences.push(`${name}: ${where} is away${reason}; ${meaning[name]}.`);
    } else if (s.state === "recovering") {
      sentences.push(`${name}: ${plain(s.backend)} is back; what was missed is being written.`);
    }
  }
  if (stats.journal > 0) {
    sentences.push(`${count(stats.journal, "operation waits", "operations wait")} in this instance's memory for the ` +
      "log: better do not stop it now.");
  }
  if (stats.dataLoss > 0) {
    sentences.push(`Since the start, up to ${count(stats.dataLoss, "confirmed operation is", "confirmed operations are")} ` +
      "lost: the log did not have them any more, and this instance neither.");
  }
  return sentences;
}

function count(n, one, many) {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`;
}

function list(items, texts) {
  const same = texts.length === items.children.length && texts.every((t, i) => items.children[i].textContent === t);
  if (same) return; // a screen reader would say it again
  items.replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

function show(stats) {
  element("instance").textContent = stats.instance;
  element("uptime").textContent = `up ${duration(stats.uptime)}`;
  subsystems(element("subsystems"), stats.subsystems);
  list(element("trouble"), troubles(stats));
  tiles(element("outage"), outage, stats);
  tiles(element("counts"), counts, stats);
  tiles(element("rates"), rates, stats.rates);
  tiles(element("latency"), latency, stats.latency);
}

function notice(text) {
  element("notice").textContent = text;
  document.body.classList.toggle("stale", text !== "");
}

async function refresh() {
  clearTimeout(timer);
  const headers = token === "" ? {} : { Authorization: `Bearer ${token}` };
  try {
    const response = await fetch("stats", { headers, cache: "no-store" });
    const answer = await response.json();
    if (!response.ok) {
      notice(answer.error?.message ?? `the server answered ${response.status}`);
      if (response.status === 401 || response.status === 403) return;
    } else {
      show(answer);
      notice("");
    }
  } catch {
    notice("the server does not answer; trying again");
  }
  timer = setTimeout(refresh, interval);
}

element("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value;
  refresh();
});

refresh();
