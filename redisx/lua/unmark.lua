-- Removes marks that were not set again since they were listed.
-- KEYS: those of mark.lua. ARGV: member and time in Unix us of each, as marked.lua told it. Returns a word.
local names = {}
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or '0') == tonumber(ARGV[i + 1]) then
    names[#names + 1] = ARGV[i]
  end
end
if #names == 0 then return 'OK' end
for i = 1, 2 do redis.call('ZREM', KEYS[i], unpack(names)) end
return 'OK'
