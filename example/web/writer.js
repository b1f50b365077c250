import { nameOf } from "./people.js";
import { notify } from "./status.js";

/**
 * Opens the text of cards, for one person at a time each. While the server's storage is away nobody can have a
 * lock: then everybody may write, and the last one's text stays, as with every other change.
 */
export class Writer {
  #room; #desk; #view;

  constructor(room, desk, view) {
    this.#room = room;
    this.#desk = desk;
    this.#view = view;
  }

  open(id) {
    const node = this.#desk.view.nodes.get(id);
    if (!node || !this.#desk.writable || this.#view.editing) return;
    const holder = this.#room.locks.get(lockOf(id));
    if (holder && !holder.self) return notify(`${nameOf(holder)} is writing on this card. Try again in a moment.`);
    const taking = this.#take(id);
    this.#room.setPresence({ edit: id });
    this.#view.edit(id, node.text, (text) => {
      taking.then((lock) => { if (this.#view.editing !== id) lock?.release(); }); // it may be open again by then
      this.#room.setPresence({ edit: null });
      if (text !== undefined) this.#desk.rename(id, text.trim());
      this.#view.focus(id);
    });
  }

  /** Nobody waits for the lock before writing: who comes second, by a moment, has written next to nothing. */
  async #take(id) {
    try {
      const lock = await this.#room.lock(lockOf(id));
      lock.lost.then(({ code }) => { if (code === "locked") notify("Somebody else writes on this card now, too."); });
      return lock;
    } catch (err) {
      if (err.code !== "locked" || this.#view.editing !== id) return undefined;
      this.#view.stopEditing();
      notify("Somebody else has just begun to write on this card.");
      return undefined;
    }
  }
}

function lockOf(id) { return `edit:${id}`; }
