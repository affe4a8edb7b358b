-- An instance says that it lives. What is no hash or no stream in the place of one is removed: all that was there is said again.
--
-- KEYS  1 instances (hash)  2 reports (stream)
-- ARGV  1 id  2 record (JSON)
--       3… instances that the caller misses here: id, ms since they were last heard of, and record (JSON) of each
-- Returns id, "TIME of the beat in ms|record" and so on of all instances, then what was removed ("" = nothing), and last the
--         server's time (ms)

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
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. '|' .. ARGV[2])
for i = 3, #ARGV, 3 do
  -- Another instance may have put it back, or it may have come back by itself.
  if not redis.call('HGET', KEYS[1], ARGV[i]) then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', now - ARGV[i + 1]) .. '|' .. ARGV[i + 2])
  end
end
local all = redis.call('HGETALL', KEYS[1])
all[#all + 1] = removed
all[#all + 1] = string.format('%.0f', now)
return all
