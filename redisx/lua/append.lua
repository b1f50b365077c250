-- Appends a batch of operations to a room's log and publishes what it appended.
-- KEYS: head, ops, snap, gone, and for a batch with a key: receipt, epoch.
-- ARGV: 1 fence seq, 2 fence hash, 3 "exact" or "", 4 TTL of the log in ms, 5 operations to keep,
--   6 slack of that, 7 sweep every, 8 sweep above, 9 sweep horizon in ms, 10 channel, 11 content of a
--   batch with a key or "", 12 TTL of the key in ms, then for each operation
--   session, n, user, time, digest, data.
-- Returns one word for the whole batch, or a line for each operation: "c seq hash last",
-- "d last" or "g last".
local FIRST, STEP = 13, 6

local gone, epoch = KEYS[4], ''
if redis.call('EXISTS', gone) == 1 then return 'GONE' end

local content = ARGV[11]
if content ~= '' then
  epoch = redis.call('GET', KEYS[6]) or ''
  -- "epoch content\nanswer"; one of another epoch belonged to a room that was deleted since.
  local receipt = redis.call('GET', KEYS[5])
  if receipt then
    local of, known, answer = string.match(receipt, '^(%S*) (%S*)\n(.*)$')
    if of == epoch then
      if known ~= content then return 'REJECTED' end
      return answer
    end
  end
end

local log, trouble = load()
if not log then return trouble end

local fence = tonumber(ARGV[1])
if fence > 0 or ARGV[2] ~= NOTHING then
  if log.missing then return 'NOLOG' end
  if fence > log.seq then return 'BEHIND' end
  if hash_at(log, fence) ~= ARGV[2] then return 'FORK' end
end
if ARGV[3] ~= '' and (fence ~= log.seq or ARGV[2] ~= log.hash) then return 'MOVED' end

-- calls a command on the head with a list of arguments, in pieces that fit on Lua's stack.
local function on_head(command, list, each)
  for i = 1, #list, 1000 do
    local result = redis.call(command, KEYS[1], unpack(list, i, math.min(i + 999, #list)))
    if each then
      for j, value in ipairs(result) do each(i + j - 1, value) end
    end
  end
end

local sessions, names = {}, {} -- of each session of the batch: last, and time when it was appended
for i = FIRST, #ARGV, STEP do
  if not sessions[ARGV[i]] then
    sessions[ARGV[i]] = { last = 0 }
    names[#names + 1] = 's:' .. ARGV[i]
  end
end
on_head('HMGET', names, function(i, known)
  if known then sessions[string.sub(names[i], 3)].last = tonumber(string.match(known, '^%d+')) end
end)

-- XADD first: it is the only step that can fail, and a script is not rolled back.
local from, before = log.seq, log.hash
local answers, published, newest, longest = {}, {}, nil, log.max
for i = FIRST, #ARGV, STEP do
  local session, n, user, time, digest, data = unpack(ARGV, i, i + STEP - 1)
  local known = sessions[session]
  if tonumber(n) <= known.last then
    answers[#answers + 1] = 'd ' .. number(known.last)
  elseif tonumber(n) > known.last + 1 then
    answers[#answers + 1] = 'g ' .. number(known.last)
  else
    local seq = number(log.seq + 1)
    local hash = string.sub(redis.sha1hex(log.hash .. '\n' .. session .. '\n' .. n .. '\n' .. digest), 1, 16)
    local added = redis.pcall('XADD', KEYS[2], seq .. '-0', 'session', session, 'n', n, 'user', user,
      'time', time, 'hash', hash, 'data', data)
    if type(added) == 'table' and added.err then
      -- The stream has been further than the head says.
      if string.find(added.err, 'equal or smaller', 1, true) then return 'CORRUPT' end
      return added
    end
    log.seq, log.hash, newest, longest = log.seq + 1, hash, tonumber(time), math.max(longest, #data)
    known.last, known.time = tonumber(n), time
    answers[#answers + 1] = 'c ' .. seq .. ' ' .. hash .. ' ' .. n
    published[#published + 1] = string.format('%s %s %s %d %d %d\n', hash, n, time, #session, #user, #data)
    published[#published + 1] = session .. user .. data
  end
end

-- forgets the last n of sessions that have been quiet for long, now and then and only of many.
local function sweep()
  local every = tonumber(ARGV[7])
  if math.floor(from / every) == math.floor(log.seq / every) then return end
  if redis.call('HLEN', KEYS[1]) - FIELDS <= tonumber(ARGV[8]) then return end
  local oldest, all = newest - tonumber(ARGV[9]), redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local time = string.sub(all[i], 1, 2) == 's:' and tonumber(string.match(all[i + 1], '(%S+)$'))
    if time and time < oldest then redis.call('HDEL', KEYS[1], all[i]) end
  end
end

-- forgets operations beyond the limit, but none after the newest snapshot.
local function trim()
  local limit = tonumber(ARGV[5])
  local first = log.base + 1
  if log.seq < first + limit + tonumber(ARGV[6]) then return end
  local keep = log.seq - limit + 1
  local snapshot = tonumber(redis.call('HGET', KEYS[3], 'seq') or 0)
  if snapshot > 0 then keep = math.min(keep, snapshot + 1) end
  if keep <= first then return end
  local basehash = hash_at(log, keep - 1)
  redis.call('XTRIM', KEYS[2], 'MINID', '=', number(keep) .. '-0')
  redis.call('HSET', KEYS[1], 'base', number(keep - 1), 'basehash', basehash)
end

if log.seq > from then
  if log.missing then
    redis.call('DEL', KEYS[3]) -- a snapshot without a log is of a log that was lost
    redis.call('HSET', KEYS[1], 'base', '0', 'basehash', NOTHING, 'max', '0')
  end
  local fields = { 'seq', number(log.seq), 'hash', log.hash }
  for session, known in pairs(sessions) do
    if known.time then
      fields[#fields + 1] = 's:' .. session
      fields[#fields + 1] = number(known.last) .. ' ' .. known.time
    end
  end
  if longest > log.max then
    fields[#fields + 1] = 'max'
    fields[#fields + 1] = longest
  end
  on_head('HSET', fields)
  trim()
  sweep()
  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
  local heading = string.format('ops %s %s %s\n', number(from), before, number(log.seq - from))
  redis.call('PUBLISH', ARGV[10], heading .. table.concat(published))
end

local answer = table.concat(answers, '\n')
if content ~= '' then
  redis.call('SET', KEYS[5], epoch .. ' ' .. content .. '\n' .. answer, 'PX', ARGV[12])
  -- An epoch outlives the receipts that carry it.
  if epoch ~= '' then redis.call('PEXPIRE', KEYS[6], ARGV[12]) end
end
return answer
