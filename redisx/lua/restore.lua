-- Writes operations again that were confirmed before and that the log has lost, at the places they had.
-- KEYS: those of position.lua, and a name for the stream while it is written anew.
-- ARGV: those of write.lua, 3 is "broken" when the operations of the batch do not link, or ""; 5 how
--   many operations, then for each session, n, user, time, hash, data; then pairs of session, last n.
-- Returns one word for the whole batch, or a line for each operation: "c seq hash last".
-- Nothing is trimmed here: others may have more to put in front.
local FIRST, STEP = 6, 6

if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
local log, trouble = load()
if not log then return trouble end

local fence, count = tonumber(ARGV[1]), tonumber(ARGV[5])
local behind = FIRST + count * STEP -- the first argument after the operations
local place
if count == 0 then
  trouble = judge(log, fence, ARGV[2])
  if trouble then return trouble end
  if log.missing then return '' end -- nobody is in an empty log
elseif ARGV[3] ~= '' then
  return 'MOVED'
elseif log.missing then
  place = 'begin'
elseif fence == log.seq and ARGV[2] == log.hash then
  place = 'end'
elseif log.begun == log.base and fence + count == log.base and ARGV[behind - 2] == log.basehash then
  place = 'front'
else
  return 'MOVED'
end

-- An author may have sent again what is to be put in front; then it must not stand here twice.
local function repeats()
  local highest = {}
  for i = FIRST, behind - 1, STEP do
    highest[ARGV[i]] = math.max(highest[ARGV[i]] or 0, tonumber(ARGV[i + 1]))
  end
  local after = '-'
  repeat
    local entries = redis.call('XRANGE', KEYS[2], after, '+', 'COUNT', 100)
    for _, entry in ipairs(entries) do
      if tonumber(field(entry, 'n')) <= (highest[field(entry, 'session')] or 0) then return true end
      after = '(' .. entry[1]
    end
  until #entries < 100
  return false
end
if place == 'front' and repeats() then return 'MOVED' end

local sessions, names = {}, {}
local function meet(session)
  if not sessions[session] then
    sessions[session] = { last = 0 }
    names[#names + 1] = 's:' .. session
  end
end
for i = FIRST, behind - 1, STEP do meet(ARGV[i]) end
for i = behind, #ARGV, 2 do meet(ARGV[i]) end
look_up(sessions, names)

local newest -- the time of the operation at the head
if place == 'begin' or place == 'end' then
  newest = ARGV[behind - 3]
else
  local top = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  newest = top and field(top, 'time') or number(clock())
end
for i = behind, #ARGV, 2 do
  local known, n = sessions[ARGV[i]], tonumber(ARGV[i + 1])
  if n > known.last then known.last, known.time = n, newest end
end

-- A snapshot at the fence or after may be of this log: what it belongs to may be restored yet.
local stale = place == 'begin' and (tonumber(redis.pcall('HGET', KEYS[3], 'seq')) or -1) < fence

for i = FIRST, behind - 1, STEP do log.max = math.max(log.max, #ARGV[i + 5]) end
if place == 'front' then
  -- A stream grows at its end only. This is the write that may be refused for lack of memory: after the
  -- first none is.
  redis.call('HSET', KEYS[1], 'max', log.max)
  redis.call('DEL', KEYS[6])
  if log.seq > log.base then
    redis.call('RENAME', KEYS[2], KEYS[6])
  else
    redis.call('DEL', KEYS[2])
  end
end

local answers = {}
for i = FIRST, behind - 1, STEP do
  local session, n, user, time, hash, data = unpack(ARGV, i, i + STEP - 1)
  local seq = number(fence + #answers + 1)
  local added = redis.pcall('XADD', KEYS[2], seq .. '-0', 'session', session, 'n', n, 'user', user,
    'time', time, 'hash', hash, 'data', data)
  if type(added) == 'table' and added.err then
    if string.find(added.err, 'equal or smaller', 1, true) then return 'CORRUPT' end
    return added
  end
  local known = sessions[session]
  if tonumber(n) > known.last then known.last, known.time = tonumber(n), time end
  answers[#answers + 1] = 'c ' .. seq .. ' ' .. hash .. ' ' .. number(known.last)
end

if place == 'front' then
  local after = '-'
  repeat
    local entries = redis.call('XRANGE', KEYS[6], after, '+', 'COUNT', 100)
    for _, entry in ipairs(entries) do
      redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
      after = '(' .. entry[1]
    end
  until #entries < 100
  redis.call('DEL', KEYS[6])
end

local fields = {}
if stale then redis.call('DEL', KEYS[3]) end
if place == 'begin' or place == 'end' then
  log.seq, log.hash = fence + count, ARGV[behind - 2]
  if not settling(log, SETTLE) then log.restored = clock() end
  fields = { 'seq', number(log.seq), 'hash', log.hash, 'max', log.max, 'restored', number(log.restored) }
end
if place == 'begin' or place == 'front' then
  log.base, log.basehash, log.begun = fence, ARGV[2], fence
  for _, value in ipairs({ 'base', number(fence), 'basehash', ARGV[2], 'begun', number(fence) }) do
    fields[#fields + 1] = value
  end
end
add_sessions(fields, sessions)
if #fields == 0 then return '' end
on_head('HSET', fields)
if place then redis.call('PUBLISH', ARGV[4], 'gap') end
renew()
return table.concat(answers, '\n')
