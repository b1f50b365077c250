-- Lists marks in the order of their names.
-- KEYS: those of mark.lua. ARGV: 1 where to begin, as ZRANGEBYLEX takes it, 2 how many at most.
-- Returns member and time in Unix us of each.
local list, names = {}, redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  list[#list + 1] = name
  -- One without a time was set in a past that nobody knows.
  list[#list + 1] = redis.call('ZSCORE', KEYS[2], name) or '0'
end
return list
