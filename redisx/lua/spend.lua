-- Takes from the four buckets of one payer, and tells what is then missing from them.
-- KEYS: a hash with the fields m, b, j, r (what is missing of messages, bytes, joins, requests) and at (when
-- that was so, in Unix us of the clock here). ARGV: 1 to 4 what each gains a second, 5 to 8 what is taken.
-- Returns four whole numbers.
--
-- What stands there and is no number counts as nothing, and a key that holds something else gives way: the
-- worst that comes of it is an allowance of a few seconds.
local key, fields = KEYS[1], { 'm', 'b', 'j', 'r' }

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- A clock that was set back makes nobody wait for the time in between.
local known = redis.pcall('HMGET', key, 'm', 'b', 'j', 'r', 'at')
if known.err then
  if not string.find(known.err, 'WRONGTYPE', 1, true) then return known end
  redis.call('DEL', key)
  known = {}
end
local passed = math.max(0, now - (tonumber(known[5]) or now)) / 1000000

local write, answer, full = {}, {}, 0
for i, field in ipairs(fields) do
  local rate = math.max(0, tonumber(ARGV[i]))
  local missing = tonumber(known[i]) or 0
  if missing ~= missing then missing = 0 end
  missing = math.max(0, missing - passed * rate) + tonumber(ARGV[i + 4])
  missing = math.min(math.max(0, missing), 4 * rate)
  if missing > 0 then full = math.max(full, missing / rate) end
  write[#write + 1] = field
  write[#write + 1] = string.format('%.6f', missing)
  answer[i] = math.ceil(missing)
end
if full == 0 then
  redis.call('DEL', key)
  return answer
end
redis.call('HSET', key, 'at', string.format('%.0f', now), unpack(write))
redis.call('PEXPIRE', key, string.format('%.0f', math.ceil(full * 1000)))
return answer
