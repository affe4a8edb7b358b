-- Fills a store that was emptied or damaged, with the state that an instance knows.
--
-- KEYS  1 meta (hash)  2 services (hash)  3 keyed (hash)  4 documents (hash)  5 leases (hash)  6 heads (list)
--       7 changes (stream)  8… the history (list) of every service and document in ARGV, in their order
-- ARGV  1 format  2 head that was found in the store ("" = none)  3 head to write  4 revision
--       5 configuration (JSON, "" = none)
--       6 number of services, then name and document of each   …  number of keyed writes, then key and record of each
--       …  number of documents of collections, then subject and document of each
--       …  of every history the number of entries, then the entries (JSON), oldest first; existing entries stay, and only
--          newer ones are added
-- Returns "restored"; "there": the head has changed, another instance was first; "newer": a newer format

local time = redis.call('TIME')
local now = tostring(time[1] * 1000 + math.floor(time[2] / 1000))
local TYPES = { 'hash', 'hash', 'hash', 'hash', 'hash', 'list', 'stream' }
for i, key in ipairs(KEYS) do
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= (TYPES[i] or 'list') then redis.call('DEL', key) end
end

local head = redis.call('HGET', KEYS[1], 'head') or ''
local format = tonumber(redis.call('HGET', KEYS[1], 'format') or '0')
if format > tonumber(ARGV[1]) then return 'newer' end
if head ~= ARGV[2] then return 'there' end

-- With the leases deleted, their holdings run for their full duration again.
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
local at = 6
for _, key in ipairs({ KEYS[2], KEYS[3], KEYS[4] }) do
  local count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    redis.call('HSET', key, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
local function revisionOf(entry)
  local isJson, value = pcall(cjson.decode, entry)
  return isJson and type(value) == 'table' and tonumber(value.revision) or 0
end
for i = 8, #KEYS do
  local count = tonumber(ARGV[at])
  -- An instance that knew less may have restored a part before.
  local newest = redis.call('LRANGE', KEYS[i], 0, 0)[1]
  local known = newest and revisionOf(newest)
  local missing = {}
  for entry = at + 1, at + count do
    if not known or revisionOf(ARGV[entry]) > known then missing[#missing + 1] = ARGV[entry] end
  end
  -- unpack() takes them: an instance restores only the newest entries of each history.
  if #missing > 0 then redis.call('LPUSH', KEYS[i], unpack(missing)) end
  at = at + count + 1
end
redis.call('HSET', KEYS[1], 'format', ARGV[1], 'head', ARGV[3], 'revision', ARGV[4], 'services', redis.call('HLEN', KEYS[2]),
  'documents', redis.call('HLEN', KEYS[4]), 'restored', now)
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'configuration', ARGV[5]) end
if not redis.call('LPOS', KEYS[6], ARGV[3]) then redis.call('LPUSH', KEYS[6], ARGV[3]) end
return 'restored'
