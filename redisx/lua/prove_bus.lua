-- Proves that what is published here gets to everybody.
-- KEYS: a key that is not there. ARGV: a channel and a message.
redis.call('PUBLISH', ARGV[1], ARGV[2])
-- A replica takes messages too, and keeps them to itself. That it is one shows with the first write; other
-- reasons to refuse that are not the bus's matter.
local deleted = redis.pcall('DEL', KEYS[1])
if type(deleted) == 'table' and deleted.err and string.find(deleted.err, 'READONLY', 1, true) then
  return deleted
end
return 'OK'
