-- Reads a candidate of stage.lua back and has it take the place of the stored snapshot, if it is whole.
-- KEYS: those of position.lua. ARGV: 1 seq and 2 hash of its position, 3 digest of the data, 4 length
-- of the data.
-- Returns a word: OK, LOST when the candidate is not there, DAMAGED when it is not what was sent.
if redis.call('EXISTS', KEYS[4]) == 1 then return 'GONE' end
local log, trouble = load()
if not log then return trouble end
local seq, name = tonumber(ARGV[1]), ARGV[1] .. ':' .. ARGV[2] .. ':' .. ARGV[3]
local current = snapshot_of(log) or 0
if seq < current or hash_at(log, seq) ~= ARGV[2] then
  redis.pcall('HDEL', KEYS[5], name)
  return seq < current and 'OK' or 'DIVERGED'
end

local data = redis.pcall('HGET', KEYS[5], name)
if type(data) ~= 'string' then
  -- Another who saved at the same position has swept it away.
  return seq == current and 'OK' or 'LOST'
end
if #data ~= tonumber(ARGV[4]) or redis.sha1hex(data) ~= ARGV[3] then
  redis.call('HDEL', KEYS[5], name)
  return 'DAMAGED'
end
local refused = put(KEYS[3], 'seq', ARGV[1], 'hash', ARGV[2], 'digest', ARGV[3], 'data', data)
if refused then return refused end
for _, other in ipairs(redis.call('HKEYS', KEYS[5])) do
  if (tonumber(string.match(other, '^%d+')) or 0) <= seq then redis.call('HDEL', KEYS[5], other) end
end
renew()
return 'OK'
