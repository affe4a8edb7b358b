-- Sets the position of a reader of events, unless it was set in a later epoch.
--
-- KEYS  1 positions (hash)
-- ARGV  1 name of the reader  2 id of the last event that it has dealt with  3 epoch of its lease
-- Returns "moved" or "later"

local is = redis.call('TYPE', KEYS[1]).ok
if is ~= 'none' and is ~= 'hash' then redis.call('DEL', KEYS[1]) end
local epoch = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+)|')
if epoch and tonumber(epoch) > tonumber(ARGV[3]) then return 'later' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. '|' .. ARGV[2])
return 'moved'
