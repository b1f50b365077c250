-- The short way of append.lua, which stands behind it: the instance has worked out what its batch makes of a log
-- that ends at the fence. Where the log does, and nothing else is due, only the commands are left. That takes
-- Redis 10 us in place of 21 for a batch of one operation of 200 bytes, and 19 in place of 36 for one of three.
-- Whatever is not as expected is left to the long way, which finds out what it is.
local FIRST, STEP = 6, 7

-- appends and publishes, and returns "OK" or an error; or returns false, with nothing written.
local function ready()
  local names, fields = {}, { 'seq', ARGV[#ARGV], 'hash', ARGV[#ARGV - 1] }
  for i = FIRST, #ARGV, STEP do
    local name, next = 's:' .. ARGV[i], #fields + 1
    names[#names + 1] = name
    fields[next], fields[next + 1] = name, ARGV[i + 1] .. ' ' .. ARGV[i + 3]
  end
  local head = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'base', 'max', 'restored', unpack(names))
  if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then return false end
  local kept, from, count = redis.call('XLEN', KEYS[2]), tonumber(head[1]), #names
  if kept == 0 or tonumber(head[3]) ~= from - kept then return false end
  if kept + count > LIMIT + SLACK or from % SWEEP_EVERY + count >= SWEEP_EVERY then return false end

  -- A log lives on for a little less than it might, so that few appends have to renew it.
  local left = redis.call('PTTL', KEYS[1])
  if left > TTL or left < TTL - TTL / 128 then return false end
  local restored = tonumber(head[5])
  if restored and not (math.abs(redis.call('TIME')[1] * 1000 - restored) > SETTLE + 1000) then return false end

  local longest, last = tonumber(head[4]) or -1, {}
  for i = 1, count do
    local at = FIRST + (i - 1) * STEP
    local session, n = ARGV[at], tonumber(ARGV[at + 1])
    local before = last[session] or tonumber(string.match(head[5 + i] or '0', '^%d+'))
    if before ~= n - 1 or #ARGV[at + 4] > longest then return false end
    last[session] = n
  end

  for i = FIRST, #ARGV, STEP do
    local added = redis.pcall('XADD', KEYS[2], ARGV[i + 6], 'session', ARGV[i], 'n', ARGV[i + 1], 'user', ARGV[i + 2],
      'time', ARGV[i + 3], 'hash', ARGV[i + 5], 'data', ARGV[i + 4])
    if type(added) == 'table' then return i > FIRST and added end
  end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('PUBLISH', ARGV[4], ARGV[5])
  return 'OK'
end

local offered = ARGV[5] ~= '' and not KEYS[6]
local done = offered and ready()
if done then return done end
