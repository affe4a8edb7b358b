-- Defines Beats, for scripts that write records of instances. A hash beside the records says of each of them when it was
-- written, and with which version what matters of it to the others has changed, so that they need not read all records
-- again. Instances of older versions write records without that. The hash of progress (see progress.lua) has the last of
-- these changes and the silent instances, so that a heartbeat need not look at all records.

-- Time without a heartbeat after which an instance is named in every reply, ms. Others are gone later than that.
local SILENT_MS = 1500
-- Time for which a scan for silent instances need not be repeated, ms.
local SCAN_MS = 500
-- Number of changes of records that are found without a scan.
local KEEP_CHANGED = 100

local Beats = {}

-- key: of the hash; progress: key of the hash of progress; now: time of the server, ms
function Beats.open(key, progress, now)
  local self = { key = key, progress = progress, now = now, changed = {} }
  self.epoch, self.version = string.match(redis.call('HGET', key, '#version') or '', '^(%d+)%.(%d+)$')
  if not self.epoch then
    self.epoch, self.version = string.format('%.0f', now), 0
    redis.call('HSET', key, '#scan', '0', '#version', '')
  end
  self.version = tonumber(self.version)
  return setmetatable(self, { __index = Beats })
end

function Beats:name() return self:nameOf(self.version) end

function Beats:nameOf(version) return self.epoch .. '.' .. string.format('%.0f', version) end

-- Notes the record of an instance. at: its time; mark: changes with what matters to the others
function Beats:note(id, at, mark)
  local version, before = string.match(redis.call('HGET', self.key, id) or '', '^%S+ (%d+) (.*)$')
  if before ~= mark then
    self.version = self.version + 1
    version = string.format('%.0f', self.version)
    self.changed[#self.changed + 1] = id
  end
  redis.call('HSET', self.key, id, at .. ' ' .. version .. ' ' .. mark)
end

-- Notes that an instance has departed: its record does not change any more.
function Beats:depart(id) self:note(id, '-', 'departed') end

function Beats:save()
  redis.call('HSET', self.key, '#version', self:name())
  if #self.changed == 0 then return end
  -- Instances of older versions change the version alone.
  local ids = self:cached('#changed', self:nameOf(self.version - #self.changed)) or {}
  for _, id in ipairs(self.changed) do ids[#ids + 1] = id end
  while #ids > KEEP_CHANGED do table.remove(ids, 1) end
  self:cache('#changed', self:name(), ids)
  self.changed = {}
end

-- Keeps a list of ids. key: must be the same when it is read
function Beats:cache(field, key, ids)
  redis.call('HSET', self.progress, field, key .. ' ' .. (#ids == 0 and '[]' or cjson.encode(ids)))
end

-- The list of ids that was kept under a key; nil = it was another one.
function Beats:cached(field, key)
  local kept, ids = string.match(redis.call('HGET', self.progress, field) or '', '^(%S+) (.*)$')
  return kept == key and cjson.decode(ids) or nil
end

-- Whether it says of every record when it was written. records: key of the hash of records
function Beats:isComplete(records) return redis.call('HLEN', self.key) - 2 == redis.call('HLEN', records) end

-- Removes what it says of records that are gone, of which all instances must learn: they read all records anew.
function Beats:tidy(records)
  local all = redis.call('HGETALL', self.key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) ~= '#' and not redis.call('HGET', records, all[i]) then
      redis.call('HDEL', self.key, all[i])
      self.epoch = string.format('%.0f', self.now)
    end
  end
end

-- Ids of the instances whose records have changed since a version, or that are silent.
function Beats:news(since)
  local scan = self.epoch .. '.' .. (redis.call('HGET', self.key, '#scan') or '0')
  local scannedMs = self.now - tonumber(string.match(scan, '%d+$'))
  local isScanned = scannedMs >= 0 and scannedMs < SCAN_MS
  local silent = isScanned and self:cached('#silent', scan) or nil
  local changed = since == self.version and {} or self:cached('#changed', self:name())
  local first = changed and #changed - (self.version - since) + 1 or 0
  if silent and (since == self.version or first >= 1) then
    local ids, isIn = {}, {}
    local function add(id)
      if not isIn[id] then ids[#ids + 1] = id end
      isIn[id] = true
    end
    for i = math.max(1, first), #changed do add(changed[i]) end
    for _, id in ipairs(silent) do add(id) end
    return ids
  end
  local ids = {}
  silent = {}
  local all = redis.call('HGETALL', self.key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) ~= '#' then
      local at, version = string.match(all[i + 1], '^(%S+) (%d+)')
      local isSilent = at ~= '-' and self.now - at > SILENT_MS
      if isSilent then silent[#silent + 1] = all[i] end
      if isSilent or tonumber(version) > since then ids[#ids + 1] = all[i] end
    end
  end
  local now = string.format('%.0f', self.now)
  redis.call('HSET', self.key, '#scan', now)
  self:cache('#silent', self.epoch .. '.' .. now, silent)
  return ids
end

