-- What the scripts have in common that write a hash of their own, besides the log's two keys.

-- sets fields of a hash. A key that holds something else gives way: it is nobody's.
local function put(key, ...)
  local done = redis.pcall('HSET', key, ...)
  if type(done) == 'table' and done.err and string.find(done.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', key)
    done = redis.pcall('HSET', key, ...)
  end
  if type(done) == 'table' and done.err then return done end
end
