-- Proves that sessions can be kept here: once everything that it takes.
-- KEYS: a session and a set of no instance. ARGV: a channel and a message, not used.
local session, set = KEYS[1], KEYS[2]
redis.call('SET', session, '', 'PX', 1000)
redis.call('GET', session)
redis.call('MGET', session)
redis.call('ZADD', set, 'GT', 1, 'x')
redis.call('ZCOUNT', set, '-inf', '+inf')
redis.call('ZRANGEBYSCORE', set, '-inf', '+inf')
redis.call('ZRANGEBYLEX', set, '-', '+', 'LIMIT', 0, 1)
redis.call('ZREMRANGEBYSCORE', set, '-inf', '-inf')
redis.call('PEXPIRE', set, 1000)
redis.call('ZREM', set, 'x')
redis.call('DEL', session)
redis.call('TIME')
redis.call('HSET', session, 'm', 1)
redis.call('HMGET', session, 'm')
redis.call('DEL', session)
return 'OK'
