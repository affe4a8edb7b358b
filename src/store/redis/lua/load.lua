-- Reads the whole state atomically.
--
-- KEYS  1 meta (hash)  2 services (hash)  3 changes (stream)  4 keyed (hash)  5 reports (stream)  6 heads (list)
--       7 documents (hash)
-- Returns {time of the server (ms), meta, services, last id in changes, keyed, last id in reports, the newest heads,
--         documents of collections}; hashes as a flat list

local function lastId(key)
  -- Other scripts repair a key that is not a stream; the rest of the state can still be read.
  if redis.call('TYPE', key).ok ~= 'stream' then return '0-0' end
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or '0-0'
end

local time = redis.call('TIME')
return {
  tostring(time[1] * 1000 + math.floor(time[2] / 1000)),
  redis.call('HGETALL', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  lastId(KEYS[3]),
  redis.call('HGETALL', KEYS[4]),
  lastId(KEYS[5]),
  redis.call('LRANGE', KEYS[6], 0, 199),
  redis.call('HGETALL', KEYS[7]),
}
