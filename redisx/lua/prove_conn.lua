-- Proves that this user may write, run scripts and publish here.
-- KEYS: a key. ARGV: a channel and a message.
redis.call('SET', KEYS[1], '', 'PX', 1000)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'OK'
