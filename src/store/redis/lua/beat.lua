-- Writes the record of an instance. A key of the wrong type is deleted: the instances write all of its contents again.
--
-- KEYS  1 instances (hash)  2 reports (stream)
-- ARGV  1 id  2 record (JSON)  3 time of the server at which the record was made, or a little less (ms; 0 = unknown)
--       4… instances that the caller knows and that may be missing here: id, ms since the last beat, and record (JSON)
--          of each
-- Returns id and "TIME of the record in ms|record" of each instance, then the key that was deleted and its type
--         ("" = none), and last the server's time (ms)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local removed = ''
for i, wanted in ipairs({ 'hash', 'stream' }) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= wanted then
    redis.call('DEL', KEYS[i])
    removed = KEYS[i] .. ' was a ' .. is
  end
end
-- A command may lie in a socket for long: a record is as old as it is, not as its arrival.
local made = tonumber(ARGV[3])
if made == 0 or made > now then made = now end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', made) .. '|' .. ARGV[2])
for i = 4, #ARGV, 3 do
  -- Only if it is missing: another instance may have restored it, or the instance itself may be back.
  if not redis.call('HGET', KEYS[1], ARGV[i]) then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now - ARGV[i + 1]) .. '|' .. ARGV[i + 2])
  end
end
local all = redis.call('HGETALL', KEYS[1])
all[#all + 1] = removed
all[#all + 1] = string.format('%.0f', now)
return all
