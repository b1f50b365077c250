-- What the scripts of leases have in common. A room's leases are the fields of a hash: l:<name> has
-- "end owner", the end in Unix ms of the clock here; swept says when those that had ended were last
-- looked for.

-- returns owner and end of a lease that is in force. A key that holds something else has none.
local function holder(key, name, now)
  local known = redis.pcall('HGET', key, 'l:' .. name)
  if type(known) ~= 'string' then return nil end
  local ends, owner = string.match(known, '^(%d+) (.*)$')
  ends = tonumber(ends)
  if ends and ends > now then return owner, ends end
end
