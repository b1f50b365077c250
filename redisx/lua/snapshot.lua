-- Reads a room's snapshot.
-- KEYS: head, ops, snap, gone. Returns seq, hash and data; or a word, NONE when there is none in the log.
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'GONE' } end
local log, trouble = load()
if not log then return { trouble } end
local seq, hash = snapshot_of(log)
if not seq then return { 'NONE' } end
return { number(seq), hash, redis.call('HGET', KEYS[3], 'data') }
