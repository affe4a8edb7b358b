-- Identifies the state without reading it.
--
-- KEYS  1 meta (hash)  2 services (hash)  3 changes (stream)  4 heads (list)  5 keyed (hash)  6 documents (hash)
-- Returns {time of the server (ms), head ("" = none), format, revision, time of a restore without a change since
--          (ms, 0 = none), expected number of services, actual number, expected number of documents of collections
--          ("" = written by a version that knows none), actual number}; or {"damaged", problem, head}

local damage = nil
local TYPES = { 'hash', 'hash', 'stream', 'list', 'hash', 'hash' }
for i, key in ipairs(KEYS) do
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= TYPES[i] then
    if i == 1 then return { 'damaged', key .. ' is a ' .. is, '' } end
    damage = key .. ' is a ' .. is
  end
end
if damage then return { 'damaged', damage, redis.call('HGET', KEYS[1], 'head') or '' } end

local time = redis.call('TIME')
local meta = redis.call('HMGET', KEYS[1], 'head', 'format', 'revision', 'restored', 'services', 'documents')
return {
  tostring(time[1] * 1000 + math.floor(time[2] / 1000)),
  meta[1] or '',
  meta[2] or '0',
  meta[3] or '0',
  meta[4] or '0',
  meta[5] or '0',
  tostring(redis.call('HLEN', KEYS[2])),
  meta[6] or '',
  tostring(redis.call('HLEN', KEYS[6])),
}
