-- Writes the record of an instance. A key of the wrong type is deleted: the instances write all of its contents again.
-- beats.lua and progress.lua come before this file.
--
-- KEYS  1 instances (hash)  2 reports (stream)  3 beats (hash)  4 progress (hash)  5 changes of progress (stream)
-- ARGV  1 id  2 record (JSON)  3 time of the server at which the record was made, or a little less (ms; 0 = unknown)
--       4 mark: changes when the others must read the record  5 version of the last reply ("" = none: all records)
--       6 boot ("-" = its progress is in its record)  7 sequence  8 requests cut (JSON)  9 standing (JSON), as in report.lua
--       10 "EPOCH NUMBER" of the last reply  11 max changes of progress in the reply (-1 = all)
--       12 "1": changes that were sent to all instances are in it, too
--       13… instances that the caller knows and that may be missing here: id, ms since the last beat, and record (JSON)
--          of each
-- Returns the version of this reply, "all" or "some" (only records that have changed since the last reply, and those of
--         silent instances), the key that was deleted and its type ("" = none), the server's time (ms), a list with id,
--         "TIME of the record in ms|record" and progress of each instance, and a list of what is new of the progress
--         (see Progress:news)

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
-- Before anything is written beside it: it may begin anew.
local progress = Progress.open(KEYS[4], KEYS[5], now, true)
if progress.removed ~= '' then removed = progress.removed end
-- A command may lie in a socket for long: a record is as old as it is, not as its arrival.
local made = tonumber(ARGV[3])
if made == 0 or made > now then made = now end
local beats = Beats.open(KEYS[3], KEYS[4], now)
local function write(id, at, record, mark)
  at = string.format('%.0f', at)
  redis.call('HSET', KEYS[1], id, at .. '|' .. record)
  beats:note(id, at, mark)
end
write(ARGV[1], made, ARGV[2], ARGV[4])
if ARGV[6] ~= '-' then progress:note(ARGV[1], ARGV[6], ARGV[7], ARGV[8], ARGV[9], false) end
for i = 13, #ARGV, 3 do
  -- Only if it is missing: another instance may have restored it, or the instance itself may be back.
  if not redis.call('HGET', KEYS[1], ARGV[i]) then write(ARGV[i], now - ARGV[i + 1], ARGV[i + 2], 'restored') end
end
if not beats:isComplete(KEYS[1]) then beats:tidy(KEYS[1]) end
beats:save()
-- It is not if an instance of an older version writes records: these are read with every heartbeat.
local isComplete = beats:isComplete(KEYS[1])
local epoch, since = string.match(ARGV[5], '^(%d+)%.(%d+)$')
local isSome = isComplete and epoch == beats.epoch and tonumber(since) <= beats.version
local records = {}
local function add(id, record)
  if not record then return end
  records[#records + 1] = id
  records[#records + 1] = record
  records[#records + 1] = progress:of(id)
end
local news
if isSome then
  for _, id in ipairs(beats:news(tonumber(since))) do add(id, redis.call('HGET', KEYS[1], id)) end
  news = progress:news(ARGV[10], ARGV[1], tonumber(ARGV[11]), ARGV[12] == '1', KEYS[3])
else
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do add(all[i], all[i + 1]) end
  news = progress:nothingNew()
end
return { isComplete and beats:name() or '', isSome and 'some' or 'all', removed, string.format('%.0f', now), records, news }
