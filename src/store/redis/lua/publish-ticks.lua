-- Publishes the sum of ticks, unless they have been summed up by another instance.
--
-- KEYS  1 position (hash: `to` = id of the last tick that was summed up, `sum` = id of the last sum)  2 sums (stream)
-- ARGV  1 id after which the ticks begin  2 id of the last one  3 sum  4 number of sums that are kept
--       5 how long they are kept (s)
-- Returns 1, or 0 if the ticks have been summed up before

local is = redis.call('TYPE', KEYS[2]).ok
if is ~= 'none' and is ~= 'stream' then redis.call('DEL', KEYS[2]) end
if (redis.call('HGET', KEYS[1], 'to') or '0-0') ~= ARGV[1] then return 0 end
local previous = redis.call('HGET', KEYS[1], 'sum') or ''
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'sum', ARGV[3], 'previous', previous)
redis.call('HSET', KEYS[1], 'to', ARGV[2], 'sum', id)
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
