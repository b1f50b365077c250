-- Reads a room's snapshot.
-- KEYS: those of position.lua. Returns seq, hash, digest and data, of which the caller sees whether they
-- match; or a word, NONE when there is none in the log.
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'GONE' } end
local log, trouble = load()
if not log then return { trouble } end
local seq, hash = snapshot_of(log)
if not seq then return { 'NONE' } end
local stored = redis.call('HMGET', KEYS[3], 'digest', 'data')
return { number(seq), hash, stored[1] or '', stored[2] or '' }
