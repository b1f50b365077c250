-- Deletes a room's log, snapshot and leases, and leaves a tombstone.
-- KEYS: those of position.lua, then epoch and leases.
-- ARGV: 1 TTL of the tombstone in ms, 2 channel, 3 a new epoch, 4 TTL of keys in ms.
-- Returns a word.
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
redis.call('SET', KEYS[4], '', 'PX', ARGV[1])
-- Receipts of keys cannot be found by room; another epoch makes them void.
redis.call('SET', KEYS[6], ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[7])
redis.call('PUBLISH', ARGV[2], 'deleted')
return 'OK'
