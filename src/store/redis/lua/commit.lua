-- Makes a change the next revision, whole, or does nothing.
--
-- KEYS  1 meta (hash)  2 services (hash)  3 changes (stream)  4 heads (list)  5 keyed (hash)
--       6… the history (list) of every entry in ARGV, in their order
-- ARGV  1 format we write  2 the head it was decided on ("" = an empty store)  3 the head it makes  4 its revision
--       5 refuse after this time of the server (ms)  6 the change (JSON)  7 configuration (JSON, "" = as it is)
--       8 how many services, then name and document each ("" = removed)
--       …  how many keyed writes, then key and record each ("" = removed)
--       …  how many history entries, then each as "removed" or "" (whether its service is gone by this), and JSON
-- Returns {"committed", id in the stream}; {"again"}: it was committed before;
--       {"stale"}: another head is in force; {"late", time}; {"newer", format}; {"damaged", what}

local TYPES = { 'hash', 'hash', 'stream', 'list', 'hash' }
-- Who has missed more changes than are kept reads everything: a change may be as large as a configuration file.
local KEEP_CHANGES, KEEP_HEADS, KEEP_HISTORY = 200, 2000, 1000
-- A removed service's history: 90 days.
local FORGET_SECONDS = 90 * 86400

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS do
  local is, wanted = redis.call('TYPE', KEYS[i]).ok, TYPES[i] or 'list'
  if is ~= 'none' and is ~= wanted then
    if i <= #TYPES then return { 'damaged', KEYS[i] .. ' is a ' .. is } end
    -- What else it may be, it is no history.
    redis.call('DEL', KEYS[i])
  end
end

local head = redis.call('HGET', KEYS[1], 'head') or ''
if head == ARGV[3] or redis.call('LPOS', KEYS[4], ARGV[3]) then return { 'again' } end
local format = tonumber(redis.call('HGET', KEYS[1], 'format') or '0')
if format > tonumber(ARGV[1]) then return { 'newer', tostring(format) } end
if head ~= ARGV[2] then return { 'stale' } end
-- Whoever sent it has given it up.
if now > tonumber(ARGV[5]) then return { 'late', tostring(now) } end
if head == '' then
  -- The beginning of a state: what else is there belongs to none.
  redis.call('DEL', KEYS[2], KEYS[5])
elseif tonumber(redis.call('HGET', KEYS[1], 'services') or '0') ~= redis.call('HLEN', KEYS[2]) then
  return { 'damaged', KEYS[2] .. ' has lost services' }
end

local at = 8
local function pairsOf(each)
  local count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    each(ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
pairsOf(function(name, document)
  if document == '' then redis.call('HDEL', KEYS[2], name) else redis.call('HSET', KEYS[2], name, document) end
end)
pairsOf(function(key, record)
  if record == '' then redis.call('HDEL', KEYS[5], key) else redis.call('HSET', KEYS[5], key, record) end
end)
local history = 5
pairsOf(function(removed, entry)
  history = history + 1
  local key = KEYS[history]
  redis.call('LPUSH', key, entry)
  redis.call('LTRIM', key, 0, KEEP_HISTORY - 1)
  if removed == '' then redis.call('PERSIST', key) else redis.call('EXPIRE', key, FORGET_SECONDS) end
end)

local id = redis.call(
  'XADD', KEYS[3], 'MAXLEN', '~', KEEP_CHANGES, '*',
  'format', ARGV[1], 'base', ARGV[2], 'head', ARGV[3], 'change', ARGV[6]
)
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'configuration', ARGV[7]) end
redis.call('HSET', KEYS[1], 'format', ARGV[1], 'head', ARGV[3], 'revision', ARGV[4], 'services', redis.call('HLEN', KEYS[2]))
redis.call('HDEL', KEYS[1], 'restored')
-- Last: who finds the head here may rely on all the rest.
redis.call('LPUSH', KEYS[4], ARGV[3])
redis.call('LTRIM', KEYS[4], 0, KEEP_HEADS - 1)
return { 'committed', id }
