-- Lists a room's leases.
-- KEYS: those of position.lua, then leases. Returns a word; then name, owner, and for how many ms, of each.
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'GONE' } end
local list, now, all = { 'OK' }, clock(), redis.pcall('HGETALL', KEYS[6])
for i = 1, #all, 2 do
  local ends, owner = string.match(all[i + 1], '^(%d+) (.*)$')
  ends = tonumber(ends)
  if string.sub(all[i], 1, 2) == 'l:' and ends and ends > now then
    list[#list + 1] = string.sub(all[i], 3)
    list[#list + 1] = owner
    list[#list + 1] = number(ends - now)
  end
end
return list
