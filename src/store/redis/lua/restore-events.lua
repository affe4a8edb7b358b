-- Fills the log of events, after it was emptied, with the events that an instance knows.
--
-- KEYS  1 events (stream)  2 what has begun and not ended (hash)
-- ARGV  1 number of events  2… of each event: id, id of the event before it, ref, JSON, subject that it opens, keys of
--         that (JSON), subject that it closes
--       …  what has begun and not ended: subject and JSON of each
-- Returns "restored"; "there": the log has events, another instance was first

for i, wanted in ipairs({ 'stream', 'hash' }) do
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and is ~= wanted then redis.call('DEL', KEYS[i]) end
end
if redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1] then return 'there' end
local at = 2
for _ = 1, tonumber(ARGV[1]) do
  redis.call(
    'XADD', KEYS[1], ARGV[at],
    'previous', ARGV[at + 1], 'ref', ARGV[at + 2], 'event', ARGV[at + 3], 'opens', ARGV[at + 4], 'keys', ARGV[at + 5],
    'closes', ARGV[at + 6]
  )
  at = at + 7
end
redis.call('DEL', KEYS[2])
for i = at, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
return 'restored'
