-- Writes a snapshot beside the one that is stored: the first of two steps, see keep.lua.
-- KEYS: those of position.lua. ARGV: 1 seq and 2 hash of its position, 3 digest of the data, 4 data,
-- 5 in ms, how long a candidate waits to be kept.
-- Returns a word: STAGED, or OK when there is nothing to keep.
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
local seq = tonumber(ARGV[1])
-- At the zero position every room starts with nothing.
if seq == 0 and ARGV[2] == NOTHING then return 'OK' end
local log, trouble = load()
if not log then return trouble end
if seq < (snapshot_of(log) or 0) then return 'OK' end
if log.missing or hash_at(log, seq) ~= ARGV[2] then return 'DIVERGED' end

-- The name says whose it is: two who save at once have one candidate each.
local refused = put(KEYS[5], ARGV[1] .. ':' .. ARGV[2] .. ':' .. ARGV[3], ARGV[4])
if refused then return refused end
-- Later candidates do not lengthen the life of those that somebody left behind.
if redis.call('PTTL', KEYS[5]) < 0 then redis.call('PEXPIRE', KEYS[5], ARGV[5]) end
return 'STAGED'
