-- Removes marks. KEYS: those of mark.lua. ARGV: members. Returns a word.
for i = 1, 2 do redis.call('ZREM', KEYS[i], unpack(ARGV)) end
return 'OK'
