-- Makes a change the next revision, atomically, or does nothing. log-event.lua comes before this file.
--
-- KEYS  1 meta (hash)  2 services (hash)  3 changes (stream)  4 heads (list)  5 keyed (hash)  6 documents (hash)
--       7 leases (hash)  8 events (stream)  9 what has begun and not ended (hash)
--       10… the history (list) of every entry in ARGV, in their order
-- ARGV  1 format of the caller  2 head that the change was decided on ("" = an empty store)  3 head that it makes
--       4 its revision  5 time of the server after which to refuse it (ms)  6 the change (JSON)
--       7 configuration (JSON, "" = unchanged)
--       8 number of documents of collections before the change
--       9 name of the lease that it takes ("" = none)  10 token of the holding that must have run out ("" = the lease is
--       free)  11 token of the new holding  12 its duration (ms)
--       13 number of services, then name and document of each ("" = removed)
--       …  number of keyed writes, then key and record of each ("" = removed)
--       …  number of documents of collections, then subject and document of each ("" = removed)
--       …  number of history entries, then of each "removed" or "" (whether the change removes its
--          service or document), and JSON
--       …  of each event: JSON, subject that it opens, keys of that (JSON), subject that it closes
-- Returns {"committed", id in the stream}; {"again"}: it was committed before;
--       {"stale"}: another head is in force; {"late", time of the server}; {"newer", format}; {"damaged", problem};
--       {"held"}: the holding of the lease has not run out

local TYPES = { 'hash', 'hash', 'stream', 'list', 'hash', 'hash', 'hash', 'stream', 'hash' }
local LEASES, EVENTS, OPEN = 7, 8, 9
-- An instance that has missed more changes than are kept reads everything. Few are kept, since a change may be as large
-- as a configuration file.
local KEEP_CHANGES, KEEP_HEADS, KEEP_HISTORY = 200, 2000, 1000
-- The history of a removed service is kept for 90 days.
local FORGET_SECONDS = 90 * 86400

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS do
  local is, wanted = redis.call('TYPE', KEYS[i]).ok, TYPES[i] or 'list'
  if is ~= 'none' and is ~= wanted then
    if i < LEASES then return { 'damaged', KEYS[i] .. ' is a ' .. is } end
    -- Leases, events and histories can begin anew.
    redis.call('DEL', KEYS[i])
  end
end

local head = redis.call('HGET', KEYS[1], 'head') or ''
if head == ARGV[3] or redis.call('LPOS', KEYS[4], ARGV[3]) then return { 'again' } end
local format = tonumber(redis.call('HGET', KEYS[1], 'format') or '0')
if format > tonumber(ARGV[1]) then return { 'newer', tostring(format) } end
if head ~= ARGV[2] then return { 'stale' } end
-- The sender has given up by now.
if now > tonumber(ARGV[5]) then return { 'late', tostring(now) } end
if head == '' then
  -- A new state begins: leftovers belong to no state.
  redis.call('DEL', KEYS[2], KEYS[5], KEYS[6])
elseif tonumber(redis.call('HGET', KEYS[1], 'services') or '0') ~= redis.call('HLEN', KEYS[2]) then
  return { 'damaged', KEYS[2] .. ' has lost services' }
elseif tonumber(ARGV[8]) ~= redis.call('HLEN', KEYS[6]) then
  return { 'damaged', KEYS[6] .. ' does not hold the documents that it should' }
end

local function holdLease(token)
  redis.call('HSET', KEYS[LEASES], ARGV[9], string.format('%.0f', now + ARGV[12]) .. '|' .. token)
end
if ARGV[9] ~= '' then
  local untilMs, token = string.match(redis.call('HGET', KEYS[LEASES], ARGV[9]) or '', '^(%d+)|(.*)$')
  if ARGV[10] ~= '' and token ~= ARGV[10] then
    -- The end of the holding was lost, as in a fail-over: its holder may still count on it, so it runs once more.
    holdLease(ARGV[10])
    return { 'held' }
  end
  if ARGV[10] ~= '' and now < tonumber(untilMs) then return { 'held' } end
  holdLease(ARGV[11])
end

local at = 13
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
pairsOf(function(subject, document)
  if document == '' then redis.call('HDEL', KEYS[6], subject) else redis.call('HSET', KEYS[6], subject, document) end
end)
local history = OPEN
pairsOf(function(removed, entry)
  history = history + 1
  local key = KEYS[history]
  redis.call('LPUSH', key, entry)
  redis.call('LTRIM', key, 0, KEEP_HISTORY - 1)
  if removed == '' then redis.call('PERSIST', key) else redis.call('EXPIRE', key, FORGET_SECONDS) end
end)

for i = at, #ARGV, 4 do
  logEvent(KEYS[EVENTS], KEYS[OPEN], '', ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end

local id = redis.call(
  'XADD', KEYS[3], 'MAXLEN', '~', KEEP_CHANGES, '*',
  'format', ARGV[1], 'base', ARGV[2], 'head', ARGV[3], 'change', ARGV[6]
)
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'configuration', ARGV[7]) end
redis.call('HSET', KEYS[1], 'format', ARGV[1], 'head', ARGV[3], 'revision', ARGV[4], 'services', redis.call('HLEN', KEYS[2]),
  'documents', redis.call('HLEN', KEYS[6]))
redis.call('HDEL', KEYS[1], 'restored')
-- Last, so that a head in this list proves that all the rest was written.
redis.call('LPUSH', KEYS[4], ARGV[3])
redis.call('LTRIM', KEYS[4], 0, KEEP_HEADS - 1)
return { 'committed', id }
