/** What the page says about the connection, and about the board as a whole. */

const ENDINGS = {
  replaced: ["This board is open in another window of yours.", "Use it here"],
  kicked: ["You were removed from this board."],
  forbidden: ["You may not open this board."],
  deleted: ["This board was deleted."],
  room_deleted: ["This board was deleted."],
  invalid_room: ["There cannot be a board with this name."],
  unauthenticated: ["This server asks for a token: open the board with #token=… in the address."],
  token_expired: ["Your token has expired: open the board with a new one."],
};

/** The status line: one of a few states, and words for it. */
export function showStatus(room) {
  const { status, synced, durability } = room;
  const waiting = room.pending.length;
  const kept = waiting > 0 ? ` · ${waiting} ${waiting === 1 ? "change" : "changes"} kept` : "";
  const texts = {
    connecting: "Connecting…",
    joining: "Joining…",
    live: synced ? "Live" : "Loading…",
    degraded: `Degraded${kept || " · changes are kept"}`,
    reconnecting: `Reconnecting…${kept}`,
    offline: `Offline${kept}`,
    left: "Not on this board",
    closed: "Disconnected",
  };
  const line = document.getElementById("status");
  line.dataset.state = status;
  line.title = durability === "memory" ? "The board lives in the server's memory until it stops." : "";
  if (line.lastChild.textContent !== texts[status]) line.lastChild.textContent = texts[status];
}

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
