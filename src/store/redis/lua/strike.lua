-- Replaces the records of instances by a note of departure, unless they have beaten recently.
--
-- beats.lua and progress.lua come before this file.
--
-- KEYS  1 instances (hash)  2 beats (hash)  3 progress (hash)  4 changes of progress (stream)
-- ARGV  1 min ms since the last beat (0 = none)  2 the note (JSON)  3… ids
-- Returns the ids whose records were replaced

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('TYPE', KEYS[2]).ok ~= 'hash' then redis.call('DEL', KEYS[2]) end
local progress = Progress.open(KEYS[3], KEYS[4], now, false)
local beats = Beats.open(KEYS[2], KEYS[3], now)
local struck = {}
for i = 3, #ARGV do
  local said = redis.call('HGET', KEYS[1], ARGV[i])
  local isNote = said and string.find(said, '|{"leaving":true', 1, true)
  local at = said and not isNote and tonumber(string.match(said, '^%d+')) or 0
  if now - at >= tonumber(ARGV[1]) then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now) .. '|' .. ARGV[2])
    beats:depart(ARGV[i])
    progress:forget(ARGV[i])
    struck[#struck + 1] = ARGV[i]
  end
end
beats:save()
return struck
