import * as module from "../client.js";
import { same, test } from "./harness.js";
import { joinedRoom } from "./scripted.js";

/** The names that client.d.ts declares in a class or interface. */
function declared(types, name) {
  const [, body] = new RegExp(`^export (?:class|interface) ${name}\\b.*\\{\\n([^]*?)^\\}`, "m").exec(types);
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[(<:]/gm)].map(([, member]) => member);
}

/** What anybody can reach of an object: what begins with _ is for this module alone. */
function visible(object) {
  const names = new Set();
  for (let o = object; o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    for (const name of Object.getOwnPropertyNames(o)) names.add(name);
  }
  return [...names].filter((name) => name !== "constructor" && !name.startsWith("_"));
}

// The types name all that there is, and nothing else.
test("client.d.ts/names what there is", async () => {
  const types = await (await fetch("/client.d.ts")).text();
  const { client, room, socket } = await joinedRoom();
  const taking = room.lock("card");
  const [{ id }] = await socket().take("lock");
  socket().say({ type: "ok", id, room: "board", name: "card", ttl: 9000 });
  for (const [name, object] of Object.entries({ Client: client, Room: room, Lock: await taking })) {
    same(visible(object).sort(), declared(types, name).sort(), name);
  }
  const exported = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map(([, member]) => member);
  same(Object.keys(module).sort(), exported.sort(), "exports");
});
