-- Drops a snapshot that does not match its digest.
-- KEYS: those of position.lua. Returns a word: DISCARDED, to the one who did it, or OK.
local stored = redis.pcall('HMGET', KEYS[3], 'digest', 'data')
if stored.err or (stored[1] and stored[2] and redis.sha1hex(stored[2]) == stored[1]) then return 'OK' end
return redis.call('DEL', KEYS[3]) == 1 and 'DISCARDED' or 'OK'
