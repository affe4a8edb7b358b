-- Tells the newest event. A key of the wrong type is deleted: the instances fill the log again.
--
-- KEYS  1 events (stream)  2 what has begun and not ended (hash)
-- Returns its id ("" = there is none)

for i, wanted in ipairs({ 'stream', 'hash' }) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= wanted then redis.call('DEL', KEYS[i]) end
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
return newest and newest[1] or ''
