-- Ends a lease, if the owner has it.
-- KEYS: those of position.lua, then leases. ARGV: 1 name, 2 owner. Returns a word.
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
if holder(KEYS[6], ARGV[1], clock()) == ARGV[2] then
  redis.call('HDEL', KEYS[6], 'l:' .. ARGV[1])
  if redis.call('HLEN', KEYS[6]) <= 1 then redis.call('DEL', KEYS[6]) end
end
return 'OK'
