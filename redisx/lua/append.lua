-- Appends a batch of operations to a room's log and publishes what it appended.
-- KEYS: those of position.lua, and for a batch with a key: receipt, epoch.
-- ARGV: those of write.lua, 3 is "jump" or ""; 5 content of a batch with a key, or for ready.lua what to publish,
--   or ""; then for each operation session, n, user, time, data, and hash and seq for ready.lua, or digest and "".
-- What is the same for all batches stands before the script: LIMIT operations to keep, SLACK of that, HARD_LIMIT
-- operations to keep at most after a snapshot, SWEEP_EVERY, SWEEP_ABOVE, HORIZON of the sweep in ms, KEY_TTL in
-- ms. As arguments these seven, with KEYS[5] where nobody needs it and a look for the tombstone each time, cost
-- Redis 1.4 us of 22.8 for a batch of one.
-- KEYS[5] is missing where the fence rules out that the log is.
-- Returns one word for the whole batch, "OK" when it went the short way, or a line for each operation:
-- "c seq hash last", "d last" or "g last".
local log, trouble = load()
-- What was deleted has no head, and gets none before its tombstone has ended.
if (not log or log.missing) and redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end

local content, epoch = KEYS[6] and ARGV[5] or '', ''
if content ~= '' then
  -- Keys that hold something else are as if they were not there; a receipt is written over.
  epoch = redis.pcall('GET', KEYS[7])
  if type(epoch) ~= 'string' then epoch = '' end
  -- "epoch content\nanswer"; one of another epoch belonged to a room that was deleted since.
  local receipt = redis.pcall('GET', KEYS[6])
  if type(receipt) == 'string' then
    local of, known, answer = string.match(receipt, '^(%S*) (%S*)\n(.*)$')
    if of == epoch then
      if known ~= content then return 'REJECTED' end
      return answer
    end
  end
end

if not log then return trouble end
trouble = judge(log, tonumber(ARGV[1]), ARGV[2])
if trouble then return trouble end
if settling(log, SETTLE) then return 'SETTLING' end

local sessions, names = {}, {} -- of each session of the batch: last, and time when it was appended
for i = FIRST, #ARGV, STEP do
  if not sessions[ARGV[i]] then
    sessions[ARGV[i]] = { last = 0 }
    names[#names + 1] = 's:' .. ARGV[i]
  end
end
look_up(sessions, names)

-- XADD first: it is the only step that can fail, and a script is not rolled back.
local from, before, jump = log.seq, log.hash, ARGV[3] ~= ''
local answers, published, newest, longest = {}, {}, nil, log.max
for i = FIRST, #ARGV, STEP do
  local session, n, user, time, data, digest = unpack(ARGV, i, i + 5)
  local known = sessions[session]
  if tonumber(n) <= known.last then
    answers[#answers + 1] = 'd ' .. number(known.last)
  elseif tonumber(n) > known.last + 1 and not jump then
    answers[#answers + 1] = 'g ' .. number(known.last)
  else
    local seq = number(log.seq + 1)
    if offered then digest = redis.sha1hex(data) end
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
  if math.floor(from / SWEEP_EVERY) == math.floor(log.seq / SWEEP_EVERY) then return end
  -- Most of the fields are sessions: what else there is, is counted only when there are enough of all.
  if redis.call('HLEN', KEYS[1]) <= SWEEP_ABOVE then return end
  local oldest, all = newest - HORIZON, redis.call('HGETALL', KEYS[1])
  local known, old = 0, {}
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 's:' then
      local time = tonumber(string.match(all[i + 1], '(%S+)$'))
      known = known + 1
      if time and time < oldest then old[#old + 1] = all[i] end
    end
  end
  if known <= SWEEP_ABOVE then return end
  for _, session in ipairs(old) do redis.call('HDEL', KEYS[1], session) end
end

-- forgets operations beyond the limit, but none after the newest snapshot, unless there are far too many.
local function trim()
  local first = log.base + 1
  if log.seq < first + LIMIT + SLACK then return end
  local keep = log.seq - LIMIT + 1
  local snapshot = snapshot_of(log)
  if snapshot and log.seq <= snapshot + HARD_LIMIT then keep = math.min(keep, snapshot + 1) end
  if keep <= first then return end
  local basehash = hash_at(log, keep - 1)
  redis.call('XTRIM', KEYS[2], 'MINID', '=', number(keep) .. '-0')
  redis.call('HSET', KEYS[1], 'base', number(keep - 1), 'basehash', basehash)
end

if log.seq > from then
  if log.missing then
    redis.call('DEL', KEYS[3], KEYS[5]) -- a snapshot without a log is of a log that was lost
    redis.call('HSET', KEYS[1], 'base', '0', 'basehash', NOTHING, 'max', '0')
  end
  local fields = { 'seq', number(log.seq), 'hash', log.hash }
  add_sessions(fields, sessions)
  if longest > log.max then
    fields[#fields + 1] = 'max'
    fields[#fields + 1] = longest
  end
  on_head('HSET', fields)
  trim()
  sweep()
  renew()
  local heading = string.format('ops %s %s %s\n', number(from), before, number(log.seq - from))
  redis.call('PUBLISH', ARGV[4], heading .. table.concat(published))
end

local answer = table.concat(answers, '\n')
if content ~= '' then
  redis.call('SET', KEYS[6], epoch .. ' ' .. content .. '\n' .. answer, 'PX', KEY_TTL)
  -- An epoch outlives the receipts that carry it.
  if epoch ~= '' then redis.call('PEXPIRE', KEYS[7], KEY_TTL) end
end
return answer
