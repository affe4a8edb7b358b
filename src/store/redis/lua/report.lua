-- Notes the progress of an instance, and sends it to all others at once if that is asked for.
-- progress.lua comes before this file.
--
-- KEYS  1 progress (hash)  2 changes of progress (stream)  3 reports (stream)
-- ARGV  1 id  2 boot  3 sequence  4 requests cut (JSON)  5 standing (JSON)  6 what is sent to all (JSON; "" = nothing)
--       7 number of reports that are kept
-- Returns 1

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local isTold = ARGV[6] ~= ''
local progress = Progress.open(KEYS[1], KEYS[2], now, false)
local change, before = progress:note(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], isTold)
if isTold then
  local is = redis.call('TYPE', KEYS[3]).ok
  if is ~= 'none' and is ~= 'stream' then redis.call('DEL', KEYS[3]) end
  redis.call(
    'XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*',
    'id', ARGV[1], 'progress', ARGV[6], 'change', change or '', 'before', before or ''
  )
end
return 1
