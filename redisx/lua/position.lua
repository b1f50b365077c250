-- What the scripts of a room's log have in common. KEYS[1] is always the head, a hash, KEYS[2] the
-- stream, KEYS[3] the snapshot, KEYS[4] the tombstone and KEYS[5] the snapshots that are being saved. The
-- head has the fields seq and hash (the end of the log), base and basehash (the position before the first
-- operation kept), max (the length of the longest data ever appended), s:<session> ("n time") for each
-- session and g:<group> ("seq:hash") for each group of consumers that has begun; after a restore also
-- restored (when, in Unix ms) and begun (the seq of the base that a restore gave the log).
--
-- Before those scripts that need them stand TTL of the log and SETTLE, the settle window, both in ms.
--
-- Lua numbers are exact up to 2^53, beyond which no seq, n or time goes; %.0f writes them in full.

local NOTHING = '0000000000000000' -- the hash of the empty log

local function number(n) return string.format('%.0f', n) end

-- loads the log: nil and CORRUPT when its parts do not match. A room without a log is an empty one.
local function load()
  local head = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'base', 'basehash', 'max', 'restored', 'begun')
  local kept = redis.call('XLEN', KEYS[2])
  if not head[1] then
    -- What is left of a head is not nothing: sessions stand in it.
    if kept > 0 or redis.call('EXISTS', KEYS[1]) == 1 then return nil, 'CORRUPT' end
    return { seq = 0, hash = NOTHING, base = 0, basehash = NOTHING, max = 0, missing = true }
  end
  local log = {
    seq = tonumber(head[1]), hash = head[2], base = tonumber(head[3]), basehash = head[4], max = tonumber(head[5]),
    restored = tonumber(head[6]), begun = tonumber(head[7]),
  }
  if not (log.seq and log.hash and log.base and log.basehash and log.max) or kept ~= log.seq - log.base then
    return nil, 'CORRUPT'
  end
  return log
end

-- returns the value of a field in an entry of the stream.
local function field(entry, name)
  local values = entry[2]
  for i = 1, #values, 2 do
    if values[i] == name then return values[i + 1] end
  end
  return nil
end

-- returns the hash at a seq, nil where the log does not reach or has a hole.
local function hash_at(log, seq)
  if seq == log.seq then return log.hash end
  if seq == log.base then return log.basehash end
  if seq < log.base or seq > log.seq then return nil end
  local id = number(seq) .. '-0'
  local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
  return entry and field(entry, 'hash')
end

-- judges the position that a caller knows: nil when it is in the log, or is none at all.
local function judge(log, seq, hash)
  if seq == 0 and hash == NOTHING then return nil end
  if log.missing then return 'NOLOG' end
  if seq > log.seq then return 'BEHIND' end
  if hash_at(log, seq) ~= hash then return 'FORK' end
end

-- returns seq and hash of the snapshot, nil when there is none in the log. A key that holds something
-- else is none: it must not stop an append halfway.
local function snapshot_of(log)
  if log.missing then return nil end
  local stored = redis.pcall('HMGET', KEYS[3], 'seq', 'hash')
  local seq = tonumber(stored[1])
  if seq and hash_at(log, seq) == stored[2] then return seq, stored[2] end
end

-- returns the time here in Unix ms.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- reports whether the log was restored within a window of ms. A clock that was set back ends it too.
local function settling(log, window)
  return log.restored and math.abs(clock() - log.restored) < tonumber(window)
end

-- has the whole log live on for its TTL. Its keys end at one time: a head that ends a millisecond
-- before its stream would look as if it had been lost, and be mended.
local function renew()
  local ends = number(clock() + TTL)
  for i = 1, 3 do redis.call('PEXPIREAT', KEYS[i], ends) end
end
