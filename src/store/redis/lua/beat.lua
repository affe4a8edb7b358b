-- Writes the record of an instance. A key of the wrong type is deleted: the instances write all of its contents again.
-- beats.lua comes before this file.
--
-- KEYS  1 instances (hash)  2 reports (stream)  3 beats (hash)
-- ARGV  1 id  2 record (JSON)  3 time of the server at which the record was made, or a little less (ms; 0 = unknown)
--       4 mark: changes when the others must read the record  5 version of the last reply ("" = none: all records)
--       6… instances that the caller knows and that may be missing here: id, ms since the last beat, and record (JSON)
--          of each
-- Returns the version of this reply, "all" or "some" (only records that have changed since the last reply, and those of
--         silent instances), the key that was deleted and its type ("" = none), the server's time (ms), and then id and
--         "TIME of the record in ms|record" of each instance

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local removed = ''
for i, wanted in ipairs({ 'hash', 'stream', 'hash' }) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= wanted then
    redis.call('DEL', KEYS[i])
    removed = KEYS[i] .. ' was a ' .. is
  end
end
local beats = Beats.open(KEYS[3], now)
-- A command may lie in a socket for long: a record is as old as it is, not as its arrival.
local made = tonumber(ARGV[3])
if made == 0 or made > now then made = now end
local function write(id, at, record, mark)
  at = string.format('%.0f', at)
  redis.call('HSET', KEYS[1], id, at .. '|' .. record)
  beats:note(id, at, mark)
end
write(ARGV[1], made, ARGV[2], ARGV[4])
for i = 6, #ARGV, 3 do
  -- Only if it is missing: another instance may have restored it, or the instance itself may be back.
  if not redis.call('HGET', KEYS[1], ARGV[i]) then write(ARGV[i], now - ARGV[i + 1], ARGV[i + 2], 'restored') end
end
if not beats:isComplete(KEYS[1]) then beats:tidy(KEYS[1]) end
beats:save()
-- It is not if an instance of an older version writes records: these are read with every heartbeat.
local isComplete = beats:isComplete(KEYS[1])
local epoch, since = string.match(ARGV[5], '^(%d+)%.(%d+)$')
local isSome = isComplete and epoch == beats.epoch and tonumber(since) <= beats.version
local reply = { isComplete and beats:name() or '', isSome and 'some' or 'all', removed, string.format('%.0f', now) }
if isSome then
  for _, id in ipairs(beats:news(tonumber(since))) do
    reply[#reply + 1] = id
    reply[#reply + 1] = redis.call('HGET', KEYS[1], id)
  end
else
  for _, each in ipairs(redis.call('HGETALL', KEYS[1])) do reply[#reply + 1] = each end
end
return reply
