-- Tells how far a group of consumers has come.
-- KEYS: those of position.lua. ARGV: 1 group. Returns a word, and "seq:hash", or "" when it has not begun.
if redis.call('EXISTS', KEYS[4]) == 1 then return { 'GONE' } end
local log, trouble = load()
if not log then return { trouble } end
return { 'OK', redis.call('HGET', KEYS[1], 'g:' .. ARGV[1]) or '' }
