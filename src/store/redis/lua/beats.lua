-- Defines Beats, for scripts that write records of instances. A hash beside the records says of each of them when it was
-- written, and with which version what matters of it to the others has changed, so that they need not read all records
-- again. Instances of older versions write records without that.

-- Time without a heartbeat after which an instance is named in every reply, ms. Others are gone later than that.
local SILENT_MS = 1500
-- Time for which a scan that found no silent instance need not be repeated, ms.
local SCAN_MS = 500

local Beats = {}

-- key: of the hash; now: time of the server, ms
function Beats.open(key, now)
  local self = { key = key, now = now }
  self.epoch, self.version = string.match(redis.call('HGET', key, '#version') or '', '^(%d+)%.(%d+)$')
  if not self.epoch then
    self.epoch, self.version = string.format('%.0f', now), 0
    redis.call('HSET', key, '#scan', '0', '#version', '')
  end
  self.version = tonumber(self.version)
  return setmetatable(self, { __index = Beats })
end

function Beats:name() return self.epoch .. '.' .. string.format('%.0f', self.version) end

-- Notes the record of an instance. at: its time; mark: changes with what matters to the others
function Beats:note(id, at, mark)
  local version, before = string.match(redis.call('HGET', self.key, id) or '', '^%S+ (%d+) (.*)$')
  if before ~= mark then
    self.version = self.version + 1
    version = string.format('%.0f', self.version)
  end
  redis.call('HSET', self.key, id, at .. ' ' .. version .. ' ' .. mark)
end

-- Notes that an instance has departed: its record does not change any more.
function Beats:depart(id) self:note(id, '-', 'departed') end

function Beats:save() redis.call('HSET', self.key, '#version', self:name()) end

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
  local scanned = tonumber(redis.call('HGET', self.key, '#scan') or '0')
  if since == self.version and self.now - scanned < SCAN_MS then return {} end
  local ids, isAnySilent = {}, false
  local all = redis.call('HGETALL', self.key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) ~= '#' then
      local at, version = string.match(all[i + 1], '^(%S+) (%d+)')
      local isSilent = at ~= '-' and self.now - at > SILENT_MS
      isAnySilent = isAnySilent or isSilent
      if isSilent or tonumber(version) > since then ids[#ids + 1] = all[i] end
    end
  end
  redis.call('HSET', self.key, '#scan', isAnySilent and '0' or string.format('%.0f', self.now))
  return ids
end

