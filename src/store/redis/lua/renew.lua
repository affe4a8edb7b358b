-- Extends a holding of a lease, unless the lease runs under another token.
--
-- KEYS  1 leases (hash)
-- ARGV  1 name of the lease  2 token of the holding  3 its duration from now (ms)
-- Returns "renewed" or "taken"

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is = redis.call('TYPE', KEYS[1]).ok
if is ~= 'none' and is ~= 'hash' then redis.call('DEL', KEYS[1]) end

local token = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^%d+|(.*)$')
if token and token ~= ARGV[2] then return 'taken' end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[3]) .. '|' .. ARGV[2])
return 'renewed'
