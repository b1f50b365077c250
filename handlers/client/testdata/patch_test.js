import { mergePatch } from "../client.js";
import { same, test, truthy } from "./harness.js";

const nested = (n, open, inner, close) => JSON.parse(open.repeat(n) + inner + close.repeat(n));

// What the appendix of RFC 7396 asks for, and that a patch changes nothing that somebody else still holds.
test("mergePatch/as the RFC has it", () => {
  for (const [target, patch, want] of [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', "{}"],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['["a","b"]', '["c","d"]', '["c","d"]'],
    ['{"a":"b"}', '["c"]', '["c"]'],
    ['{"a":"foo"}', "null", "null"],
    ['{"a":"foo"}', '"bar"', '"bar"'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
    ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    ["{}", '{"a":[null,{"b":null}]}', '{"a":[null,{"b":null}]}'],
    ["null", '{"a":{"b":null}}', '{"a":{}}'],
  ]) {
    const [t, p] = [JSON.parse(target), JSON.parse(patch)];
    same(JSON.stringify(mergePatch(t, p)), want, `${target} with ${patch}`);
    same([JSON.stringify(t), JSON.stringify(p)], [target, patch], "the arguments");
  }
  same(mergePatch(undefined, { a: 1 }), { a: 1 }, "before the first state");
});

// What a patch does not touch is the same object as before: who compares sees what has changed.
test("mergePatch/shares", () => {
  const target = { a: { deep: [1] }, b: { c: 1 } };
  const merged = mergePatch(target, { b: { c: 2 } });
  truthy(merged.a === target.a && merged.b !== target.b, "only b is new");
});

// Keys that mean something to JavaScript are keys like any other, also where a target brings its prototype.
test("mergePatch/hostile keys", () => {
  const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
  for (const target of [null, {}, JSON.parse('{"__proto__":{"old":1}}')]) {
    const merged = mergePatch(target, JSON.parse(text));
    same(Object.keys(merged).sort(), ["__proto__", "constructor"]);
    same([merged.polluted, {}.polluted], [undefined, undefined]);
  }
  same(mergePatch(JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"b":2}}')),
    JSON.parse('{"__proto__":{"a":1,"b":2}}'));
  same(mergePatch(JSON.parse(text), JSON.parse('{"__proto__":null,"toString":null}')), JSON.parse(
    '{"constructor":{"prototype":{"polluted":1}}}'));
});

// The depth is bounded where the server has its bound, and nothing that is deeper overflows the stack.
test("mergePatch/deep", () => {
  for (const [open, close] of [['{"a":', "}"], ["[", "]"]]) {
    const deepest = nested(512, open, "1", close);
    same(mergePatch(null, deepest), deepest);
    for (const [n, inner] of [[513, "1"], [513, "null"], [100_000, "1"]]) {
      let thrown;
      try { mergePatch({}, nested(n, open, inner, close)); } catch (err) { thrown = err; }
      same(thrown?.message, "a patch may be nested 512 deep, not deeper");
    }
  }
});
