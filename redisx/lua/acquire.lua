-- Takes a lease, or sets the end of the owner's own.
-- KEYS: those of position.lua, then leases. ARGV: 1 seq and 2 hash of the fence, 3 "held" or "", 4 name,
-- 5 owner, 6 how long in ms, 7 the longest that a lease lasts, in ms, 8 settle window in ms.
-- Returns a word; with LOCKED also the owner, and for how many ms.
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'GONE' } end
local log, trouble = load()
if not log then return { trouble } end
trouble = judge(log, tonumber(ARGV[1]), ARGV[2])
if trouble then return { trouble } end
if ARGV[3] == '' and settling(log, ARGV[8]) then return { 'SETTLING' } end

local key, field, longest, now = KEYS[6], 'l:' .. ARGV[4], tonumber(ARGV[7]), clock()
local owner, ends = holder(key, ARGV[4], now)
if owner and owner ~= ARGV[5] then
  if ends > now + longest then
    -- The clock was set back. From here on the lease lasts as long as its owner may believe.
    ends = now + longest
    redis.call('HSET', key, field, number(ends) .. ' ' .. owner)
  end
  return { 'LOCKED', owner, number(ends - now) }
end

ends = now + tonumber(ARGV[6])
local refused = put(key, field, number(ends) .. ' ' .. ARGV[5])
if refused then return refused end
-- The key ends with the last of its leases.
if redis.call('PTTL', key) < tonumber(ARGV[6]) then redis.call('PEXPIREAT', key, number(ends)) end

-- forgets those that have ended, so rarely that each is looked at once or twice.
local swept = tonumber(redis.call('HGET', key, 'swept'))
if not swept or math.abs(now - swept) >= longest then
  local all = redis.call('HGETALL', key)
  for i = 1, swept and #all or 0, 2 do
    local ended = tonumber(string.match(all[i + 1], '^%d+'))
    if string.sub(all[i], 1, 2) == 'l:' and (ended or 0) <= now then redis.call('HDEL', key, all[i]) end
  end
  redis.call('HSET', key, 'swept', number(now))
end
return { 'OK' }
