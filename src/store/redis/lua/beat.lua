-- An instance says that it lives.
--
-- KEYS  1 instances (hash)
-- ARGV  1 id  2 record (JSON)
-- Returns id, "TIME of the beat in ms|record" and so on of all instances, and last the server's time (ms)

local time = redis.call('TIME')
local now = tostring(time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], now .. '|' .. ARGV[2])
local all = redis.call('HGETALL', KEYS[1])
all[#all + 1] = now
return all
