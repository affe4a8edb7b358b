-- Calls every command of the other scripts once, on keys of its own, so that a missing right shows here and not in the
-- middle of a change, which would then be half made.
--
-- KEYS  1 a hash  2 a list  3 a stream
-- Returns "fit"

-- A write that needs memory comes first: after a script's first write, Redis lets it exceed maxmemory.
redis.call('SET', KEYS[1], '')
redis.call('TIME')
redis.call('INFO', 'server')
for _, key in ipairs(KEYS) do
  redis.call('TYPE', key)
  redis.call('EXISTS', key)
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'a', '1')
redis.call('HGET', KEYS[1], 'a')
redis.call('HMGET', KEYS[1], 'a')
redis.call('HGETALL', KEYS[1])
redis.call('HLEN', KEYS[1])
redis.call('HDEL', KEYS[1], 'a')
redis.call('LPUSH', KEYS[2], 'a')
redis.call('LTRIM', KEYS[2], 0, 0)
redis.call('LPOS', KEYS[2], 'a')
redis.call('LRANGE', KEYS[2], 0, 0)
redis.call('PERSIST', KEYS[2])
redis.call('EXPIRE', KEYS[2], 60)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1, '*', 'a', '1')
redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return 'fit'
