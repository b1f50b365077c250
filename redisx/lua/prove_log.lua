-- Proves that the scripts of a room's log can work here: once everything that they do.
-- KEYS: a head and a stream of no room. ARGV: a channel and a message.
local head, stream = KEYS[1], KEYS[2]
redis.call('EXISTS', head)
-- Of the writes the one that needs memory goes first: the others pass once one has.
redis.call('HSET', head, 'seq', '1', 'hash', '')
redis.call('HMGET', head, 'seq', 'hash')
redis.call('HGETALL', head)
redis.call('HDEL', head, 'hash')
redis.call('XADD', stream, '*', 'n', '1')
redis.call('XLEN', stream)
redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
redis.call('XTRIM', stream, 'MINID', '=', '0-1')
redis.call('PEXPIREAT', head, redis.call('TIME')[1] * 1000 + 1000)
redis.call('PEXPIRE', head, 1000)
redis.call('PTTL', head)
redis.call('DEL', head, stream)
redis.call('ZADD', head, 0, 'x')
redis.call('ZRANGEBYSCORE', head, '-inf', '+inf', 'LIMIT', 0, 1)
redis.call('ZRANGEBYLEX', head, '-', '+', 'LIMIT', 0, 1)
redis.call('ZSCORE', head, 'x')
redis.call('ZREM', head, 'x')
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'OK'
