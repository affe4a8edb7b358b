-- Adds the ticks of an instance to those that are to be summed up, once, and gives the turn to sum up to one instance
-- at a time.
--
-- KEYS  1 ticks (stream)  2 position (hash, see publish-ticks.lua)  3 sequence of the source (string)  4 turn (string)
-- ARGV  1 source  2 sequence  3 ticks  4 how long ticks are kept (ms)  5 how long the sequence is kept (s)
--       6 how long a turn lasts (ms)
-- Returns 1 if it is the turn of this source, else 0

for i, wanted in ipairs({ 'stream', 'hash' }) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= wanted then redis.call('DEL', KEYS[i]) end
end
local last = redis.call('GET', KEYS[3])
if not last or tonumber(ARGV[2]) > tonumber(last) then
  local time = redis.call('TIME')
  local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[4]
  redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%.0f', oldest), '*', 'ticks', ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
  redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[5])
end
if redis.call('SET', KEYS[4], ARGV[1], 'NX', 'PX', ARGV[6]) then return 1 end
return 0
