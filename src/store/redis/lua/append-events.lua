-- Adds events of an instance to the log, each once, however often they are sent. log-event.lua comes before this file.
--
-- KEYS  1 events (stream)  2 what has begun and not ended (hash)  3 number of the writer's last event (string)
-- ARGV  1 number of the first event  2… of each event: ref, JSON, subject that it opens, keys of that (JSON), subject
--         that it closes
-- Returns "logged"

-- A writer that has sent nothing for this long does not repeat anything.
local REMEMBER_SECONDS = 3600

for i, wanted in ipairs({ 'stream', 'hash', 'string' }) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= wanted then redis.call('DEL', KEYS[i]) end
end
local logged = tonumber(redis.call('GET', KEYS[3]) or '0')
local number = tonumber(ARGV[1])
for i = 2, #ARGV, 5 do
  if number > logged then
    logEvent(KEYS[1], KEYS[2], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
    logged = number
  end
  number = number + 1
end
redis.call('SET', KEYS[3], string.format('%.0f', logged), 'EX', REMEMBER_SECONDS)
return 'logged'
