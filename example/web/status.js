/** What the page says about the connection, and about the board as a whole. */

const ENDINGS = {
  __proto__: null,
  replaced: ["This board is open in another window of yours.", "Use it here"],
  kicked: ["You were removed from this board."],
  forbidden: ["You may not open this board."],
  deleted: ["This board was deleted."],
  room_deleted: ["This board was deleted."],
  invalid_room: ["There cannot be a board with this name."],
  unauthenticated: ["This server asks for a token: open the board with #token=… in the address."],
  token_expired: ["Your token has expired: open the board with a new one."],
};

const STATES = {
  __proto__: null,
  connecting: "Connecting…",
  joining: "Joining…",
  live: "Live",
  degraded: "Limited",
  recovering: "Catching up…",
  reconnecting: "Reconnecting…",
  offline: "Offline",
  left: "Not on this board",
  closed: "Disconnected",
};

/** The status line: one of a few states, and words for it. In trouble the banner says what it means. */
export function showStatus(client, room) {
  const status = room.status === "left" ? "left" : client.status;
  const line = document.getElementById("status");
  line.dataset.state = status;
  line.title = room.durability === "memory" ? "The board lives in the server's memory until it stops." : "";
  write(line.lastChild, status === "live" && !room.synced ? "Loading…" : STATES[status]);
  showBanner(room.durability && trouble(status, client.unconfirmed, room)); // on the way in nothing is to be kept yet
}

function showBanner(words) {
  const banner = document.getElementById("banner");
  banner.hidden = !words;
  if (!words) return;
  const [title, text] = banner.lastElementChild.children;
  write(title, words[0]);
  write(text, words[1]);
}

/**
 * What is wrong, and what becomes of the changes meanwhile; nothing while all is well. A page is not told which
 * part of the server is away: the words are true of the log, and of presence alone.
 */
function trouble(status, waiting, room) {
  switch (status) {
    case "offline": return ["You are offline. You can go on.", inWindow(waiting)];
    case "reconnecting": return ["The server is out of reach. You can go on.", inWindow(waiting)];
    case "recovering": return ["The server is whole again.", waiting > 0 ? `${changes(waiting)} to be saved.` : "Catching up."];
    case "degraded": return ["Part of the server is away. You can go on.", kept(waiting, room)];
    default: return undefined;
  }
}

function inWindow(waiting) {
  if (waiting === 0) return "What you change waits in this window.";
  return `${changes(waiting)} wait${waiting === 1 ? "s" : ""} in this window, not saved yet.`;
}

/** Where the changes are that are not saved. */
function kept(ours, { durability, pending, tentative }) {
  if (durability === "memory") return "People on other servers may not see you until it is back.";
  if (pending.some((op) => !op.queued)) return inWindow(ours);
  const theirs = tentative.length;
  if (ours + theirs === 0) return "What you change is kept until it is saved. People on other servers may not see you.";
  const more = theirs > 0 ? ` and ${theirs} of others` : "";
  return `This server keeps ${ours > 0 ? `${changes(ours)} of yours${more}` : `${changes(theirs)} of others`}, not saved yet.`;
}

function changes(n) { return n === 1 ? "1 change" : `${n} changes`; }

/** Leaves alone what stays as it is: a screen reader would read it again. */
function write(element, text) { if (element.textContent !== text) element.textContent = text; }

/** Says why the board cannot be used any more, and offers a way on. */
export function showEnding(reason) {
  const [text, action] = ENDINGS[reason] ?? [`The connection has ended: ${reason}.`, "Try again"];
  notify(text, action && { label: action, run: () => location.reload() });
}

let hiding;

/** A message over the board; without an action it goes away by itself, unless it is to stay. */
export function notify(text, action, stay = Boolean(action)) {
  const notice = document.getElementById("notice");
  const [words, button] = notice.children;
  clearTimeout(hiding);
  words.textContent = text;
  button.hidden = !action;
  if (action) {
    button.textContent = action.label;
    button.onclick = action.run;
  }
  notice.hidden = false;
  if (!stay) hiding = setTimeout(hideNotice, 5000);
}

export function hideNotice() { document.getElementById("notice").hidden = true; }
