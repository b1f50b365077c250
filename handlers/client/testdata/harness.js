/** The smallest test runner: modules declare tests, the page runs them, Go reads globalThis.results while it grows. */
const tests = [];

export function test(name, run) { tests.push({ name, run }); }

export async function runAll() {
  const results = globalThis.results = [];
  for (const { name, run } of tests) {
    await breathe();
    try {
      await Promise.race([run(), deadline()]);
      results.push({ name, error: "" });
    } catch (err) {
      results.push({ name, error: err.stack ?? String(err) });
    }
  }
  globalThis.finished = true;
}

/** Lets the browser do what else it has to: tests that run in microtasks alone would keep it from that. */
export function breathe() { return new Promise((resolve) => setTimeout(resolve)); }

/** Fails what waits for something that never comes, before Go loses its patience with the window. */
function deadline() {
  return new Promise((_, reject) => setTimeout(() => reject(new Error("no end in 50 seconds")), 50_000));
}

export function same(got, want, what = "value") {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`${what}: got ${a}, want ${b}`);
}

export function truthy(got, what) {
  if (!got) throw new Error(`${what}: got ${got}`);
}

/** The code of the FlowError that a promise is rejected with; "" when it is fulfilled. */
export async function codeOf(promise) {
  try {
    await promise;
    return "";
  } catch (err) {
    return err.code;
  }
}

/** Lets everything run that waits in microtasks. */
export async function settle() {
  for (let i = 0; i < 20; i++) await null;
}

/** Time that only moves when a test says so. */
export class Clock {
  #now = 1_000_000;
  #timers = [];
  #ids = 0;
  constructor(random = () => 0) { this.random = random; }

  now() { return this.#now; }

  setTimeout(run, ms) {
    this.#timers.push({ id: ++this.#ids, at: this.#now + Math.max(0, ms), run });
    return this.#ids;
  }

  clearTimeout(id) { this.#timers = this.#timers.filter((t) => t.id !== id); }

  async advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!due) break;
      this.clearTimeout(due.id);
      this.#now = due.at;
      due.run();
    }
    this.#now = end;
  }
}
