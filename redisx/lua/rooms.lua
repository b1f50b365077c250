-- Notes rooms that have sessions, and forgets some whose sessions must all have expired.
-- KEYS: rooms by name, rooms by time. ARGV: 1 in ms, how long rooms are kept, then rooms.
-- The same rooms are in both: with the score 0, so that they are in the order of their bytes, and with
-- their end in Unix ms. Returns a word.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'LIMIT', 0, 100)
if #over > 0 then
  redis.call('ZREM', KEYS[1], unpack(over))
  redis.call('ZREM', KEYS[2], unpack(over))
end

local names, times = {}, {}
local ends = string.format('%.0f', now + tonumber(ARGV[1]))
for i = 2, #ARGV do
  names[#names + 1], names[#names + 2] = '0', ARGV[i]
  times[#times + 1], times[#times + 2] = ends, ARGV[i]
end
redis.call('ZADD', KEYS[1], unpack(names))
redis.call('ZADD', KEYS[2], 'GT', unpack(times)) -- of two instances the longer promise counts
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
return 'OK'
