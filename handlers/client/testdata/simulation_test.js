import { same, test, truthy } from "./harness.js";
import { Simulation } from "./simulated.js";

const SEEDS = 40;

/** An application: it keeps a list of what the log says. */
function observe(client, name, undo) {
  const room = client.join("board", { storage: null, rewind: undo });
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
  room.on("rewind", ({ position }) => {
    expected = Number.parseInt(position, 10);
    app.state.length = Math.min(app.state.length, expected);
  });
  return app;
}

async function simulate(seed, faults) {
  const sim = new Simulation(seed, faults);
  const apps = ["a", "b", "c"].map((name) => observe(sim.client(), name, seed % 2 === 0));
  for (let round = 0; round < 40; round++) {
    for (const app of apps) {
      for (let k = Math.floor(sim.random() * 4); k > 0; k--) {
        const bad = sim.random() < (faults.bad ?? 0);
        const id = `${app.name}${app.submitted.length}${bad ? "!" : ""}`;
        app.submitted.push({ id, bad });
        app.room.submit({ id, bad });
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
    same(app.room.pending.length, 0, `seed ${seed}, pending of ${app.name}`);
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
})) {
  test(`Room/simulated ${name}`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, faults);
  });
}
