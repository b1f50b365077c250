-- Sets how far a group of consumers has come, for the owner of a lease.
-- KEYS: those of position.lua, then leases. ARGV: 1 seq and 2 hash of the position, 3 group, 4 name and
-- 5 owner of the lease. Returns a word.
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
local log, trouble = load()
if not log then return trouble end
if holder(KEYS[6], ARGV[4], clock()) ~= ARGV[5] then return 'LOCKED' end
if log.missing or hash_at(log, tonumber(ARGV[1])) ~= ARGV[2] then return 'DIVERGED' end
redis.call('HSET', KEYS[1], 'g:' .. ARGV[3], ARGV[1] .. ':' .. ARGV[2])
return 'OK'
