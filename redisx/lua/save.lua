-- Stores a room's snapshot.
-- KEYS: head, ops, snap, gone. ARGV: 1 seq and 2 hash of its position, 3 data, 4 TTL of the log in ms.
-- Returns a word.
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
local seq = tonumber(ARGV[1])
-- At the zero position every room starts with nothing.
if seq == 0 and ARGV[2] == NOTHING then return 'OK' end
local log, trouble = load()
if not log then return trouble end
if seq < (snapshot_of(log) or 0) then return 'OK' end
if log.missing or hash_at(log, seq) ~= ARGV[2] then return 'DIVERGED' end

redis.call('HSET', KEYS[3], 'seq', ARGV[1], 'hash', ARGV[2], 'data', ARGV[3])
renew()
return 'OK'
