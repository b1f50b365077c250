import { breathe, same, test, truthy } from "./harness.js";
import { Simulation } from "./simulated.js";

const SEEDS = 25;

/** An application: it keeps a list of what the log says, and shows what is pending on top of it. */
function observe(client, name) {
  const room = client.join("board", { storage: null });
  const app = { name, room, state: [], submitted: [], broken: "" };
  let expected = 0;
  room.on("reset", ({ position }) => {
    app.state = [];
    expected = Number.parseInt(position, 10);
    if (expected !== 0) app.broken = `reset to ${position}`;
  });
  room.on("op", ({ seq, data }) => {
    if (seq !== ++expected) app.broken = `op ${seq}, want ${expected}`;
    app.state.push(data.id);
  });
  const watch = () => { app.broken ||= flaw(app); };
  for (const type of ["op", "pending", "queued", "tentative", "synced", "status"]) room.on(type, watch);
  return app;
}

/** What its user would see wrong: an own change twice, or not at all once everything was received. */
function flaw({ room, state, submitted }) {
  const shown = [...state, ...room.pending.map((op) => op.data.id)];
  const twice = shown.find((id, i) => shown.indexOf(id) !== i);
  if (twice) return `${twice} is shown twice`;
  const lost = room.synced && room.status !== "joining" && submitted.find(({ id, bad }) => !bad && !shown.includes(id));
  return lost ? `${lost.id} has vanished` : "";
}

async function simulate(seed, faults) {
  const sim = new Simulation(seed, faults);
  const apps = ["a", "b", "c"].map((name) => observe(sim.client(), name));
  for (let round = 0; round < 40; round++) {
    for (const app of apps) {
      for (let k = Math.floor(sim.random() * 4); k > 0; k--) {
        const bad = sim.random() < (faults.bad ?? 0);
        const id = `${app.name}${app.submitted.length}${bad ? "!" : ""}`;
        app.room.submit({ id, bad });
        app.submitted.push({ id, bad });
      }
    }
    await sim.run(60);
  }
  sim.calm();
  await sim.run(60_000);
  const log = sim.log.map((op) => op.data.id);
  for (const app of apps) {
    same(app.broken, "", `seed ${seed}, stream of ${app.name}`);
    same(app.state, log, `seed ${seed}, state of ${app.name}`);
    same([app.room.pending, app.room.tentative], [[], []], `seed ${seed}, what waits for ${app.name}`);
    same(app.room.status, "live", `seed ${seed}, status of ${app.name}`);
    const good = app.submitted.filter((op) => !op.bad).map((op) => op.id);
    same(log.filter((id) => id[0] === app.name), good, `seed ${seed}, operations of ${app.name}`);
  }
  truthy(log.length > 0, "something was written");
}

for (const [name, faults] of Object.entries({
  // Every accepted operation is in the log once, in the order of its author, at every observer. I1, I2, I3, I4
  "lost connections": { kill: 0.02 },
  // Refused operations never disturb those behind them. I1, I3
  "refusals": { bad: 0.2, kill: 0.01 },
  // What passes by itself loses and repeats nothing. I1, I3
  "unavailable": { unavailable: 0.2, kill: 0.01, bad: 0.1 },
  // A session that ended takes nothing with it and repeats nothing. I1
  "expired sessions": { kill: 0.02, expire: 0.5, bad: 0.1 },
  // An instance that does not know n costs only duplicates. I1
  "joined without n": { kill: 0.02, noN: 0.5 },
  // A log that lost its tail gets it back from the authors. I1, I2
  "lost tail": { lose: 0.01, kill: 0.01, unavailable: 0.05, bad: 0.1 },
  // What was queued while the log was away is in it in the end, and nothing is shown twice. I1, I3, I14
  "outages": { outage: 0.02, kill: 0.01, bad: 0.1 },
  "outages in which operations are refused": { outage: 0.02, kill: 0.01, bad: 0.1, reject: true },
  // Neither a server that dies with its journal nor a log that lost its end takes anything along. I1, I14
  "outages with losses": { outage: 0.02, kill: 0.01, crash: 0.3, forget: 0.3 },
  // A session that ends in an outage repeats nothing of what may be in the log in the end. I1
  "outages with expired sessions": { outage: 0.02, kill: 0.02, expire: 0.5, crash: 0.2, bad: 0.1 },
})) {
  test(`Room/simulated ${name}`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await simulate(seed, faults);
      await breathe();
    }
  });
}
