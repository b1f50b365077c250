-- Reads a page of a room's log, and the facts about it.
-- KEYS: head, ops, snap, gone.
-- ARGV: 1 seq and 2 hash of the position, 3 "unchecked" or "", 4 most operations, 5 most bytes, 6 a
--   session or "".
-- Returns a word; then seq, hash, base, basehash, the session's last n, seq and hash of the snapshot;
-- then the operations as they are published.
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'GONE' } end
local log, trouble = load()
if not log then return { trouble } end

local last = '0'
if ARGV[6] ~= '' then
  local known = redis.call('HGET', KEYS[1], 's:' .. ARGV[6])
  if known then last = string.match(known, '^%d+') end
end
local snapshot = { '0', NOTHING }
if not log.missing then
  local stored = redis.call('HMGET', KEYS[3], 'seq', 'hash')
  if stored[1] then snapshot = stored end
end

local function page(word, operations)
  return { word, number(log.seq), log.hash, number(log.base), log.basehash, last, snapshot[1], snapshot[2], operations }
end

local after, limit, bytes = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
if after < log.base then return page('TRIMMED', '') end
local hash = hash_at(log, after)
if ARGV[3] == '' and hash ~= ARGV[2] then return page('DIVERGED', '') end

-- In steps, so that a page of large operations does not read what it has no room for.
local read, at, count = {}, after, 0
while at < log.seq and count < limit and bytes > 0 do
  local step = math.min(16, limit - count)
  local entries = redis.call('XRANGE', KEYS[2], number(at + 1) .. '-0', '+', 'COUNT', step)
  if #entries == 0 then return { 'CORRUPT' } end
  for _, entry in ipairs(entries) do
    local v = entry[2] -- in the order in which append writes them
    read[#read + 1] = string.format('%s %s %s %d %d %d\n', v[10], v[4], v[8], #v[2], #v[6], #v[12])
    read[#read + 1] = v[2] .. v[6] .. v[12]
    bytes = bytes - #v[12]
  end
  count, at = count + #entries, at + #entries
end
if count == 0 then return page('OK', '') end
return page('OK', string.format('ops %s %s %s\n', number(after), hash, number(count)) .. table.concat(read))
