-- Mends a log whose head and stream do not match, because one of them was evicted, deleted or damaged.
-- Kept is what can be vouched for: the longest run of operations that ends at the newest, and what is
-- known of sessions.
-- KEYS: those of position.lua. ARGV: those of write.lua.
-- Returns GONE, OK when nothing was lost, MISSING when nothing could be kept, or
-- "HEALED base head dropped".
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
local log = load()
local sessions, names = {}, {}
local dropped, longest = 0, 0
local top, first -- the newest and the oldest operation of the run: seq and hash
local foreign = false

-- takes an entry of the stream into account, from the newest to the oldest.
local function take(entry)
  local seq = tonumber(string.match(entry[1], '^(%d+)%-0$'))
  local session, n, data = field(entry, 'session'), tonumber(field(entry, 'n')), field(entry, 'data')
  local time, hash = tonumber(field(entry, 'time')), field(entry, 'hash')
  if not (seq and session and n and data and time and hash) then
    redis.call('XDEL', KEYS[2], entry[1]) -- none of ours
    foreign = true
    return
  end
  if not sessions[session] then
    sessions[session] = { last = 0 }
    names[#names + 1] = 's:' .. session
  end
  local known = sessions[session]
  if n > (known.n or 0) then known.n, known.at = n, number(time) end
  longest = math.max(longest, #data)
  if not top then
    top, first = { seq = seq, hash = hash }, { seq = seq, hash = hash }
  elseif dropped == 0 and seq == first.seq - 1 then
    first = { seq = seq, hash = hash }
  else
    dropped = dropped + 1
  end
end

local before = '+'
repeat
  local entries = redis.call('XREVRANGE', KEYS[2], before, '-', 'COUNT', 100)
  for _, entry in ipairs(entries) do
    take(entry)
    before = '(' .. entry[1]
  end
until #entries < 100

if not top then
  redis.call('DEL', KEYS[2]) -- it may remember an id
  if log then return 'OK' end
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[4], 'gap')
  return 'MISSING'
end

local head = redis.call('HMGET', KEYS[1], 'base', 'basehash', 'max', 'seq')
local base, basehash, trimmed = tonumber(head[1]), head[2], false
if first.seq == 1 then
  base, basehash = 0, NOTHING
elseif base ~= first.seq - 1 or not basehash then
  -- Nobody knows the hash before the first, so that is where the log begins.
  base, basehash, dropped = first.seq, first.hash, dropped + 1
end
if log and log.seq == top.seq and dropped == 0 and not foreign then
  redis.call('XSETID', KEYS[2], number(top.seq) .. '-0')
  return 'OK'
end

look_up(sessions, names)
local shorter = (tonumber(head[4]) or 0) > top.seq -- the head knows of operations that are lost
for _, known in pairs(sessions) do
  if known.n > known.last or shorter then known.last, known.time = known.n, known.at end
end
local fields = {
  'seq', number(top.seq), 'hash', top.hash, 'base', number(base), 'basehash', basehash,
  'max', number(math.max(longest, tonumber(head[3]) or 0)),
}
if dropped > 0 then
  -- To everybody who has more it is as if this had been restored: put the rest in front.
  for _, value in ipairs({ 'restored', number(clock()), 'begun', number(base) }) do
    fields[#fields + 1] = value
  end
end
add_sessions(fields, sessions)
on_head('HSET', fields)
if top.seq == base then
  redis.call('DEL', KEYS[2])
else
  redis.call('XTRIM', KEYS[2], 'MINID', '=', number(base + 1) .. '-0')
  redis.call('XSETID', KEYS[2], number(top.seq) .. '-0')
end
renew()
redis.call('PUBLISH', ARGV[4], 'gap')
return string.format('HEALED %s %s %d', number(base), number(top.seq), dropped)
