-- Marks rooms with the present time, and forgets marks that are too old.
-- KEYS: marks by name, marks by time. ARGV: 1 in ms, how long marks are kept, then members.
-- The same members are in both: with the score 0, so that they are in the order of their bytes, and with
-- the time in Unix us. Returns a word.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local names, times = {}, {}
for i = 2, #ARGV do
  names[#names + 1], names[#names + 2] = '0', ARGV[i]
  times[#times + 1], times[#times + 2] = string.format('%.0f', now), ARGV[i]
end
redis.call('ZADD', KEYS[1], unpack(names))
redis.call('ZADD', KEYS[2], unpack(times))

local oldest = string.format('%.0f', now - tonumber(ARGV[1]) * 1000)
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', oldest, 'LIMIT', 0, 1000)
if #old > 0 then
  redis.call('ZREM', KEYS[1], unpack(old))
  redis.call('ZREM', KEYS[2], unpack(old))
end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
return 'OK'
