-- Defines Progress, for scripts that write or read the progress of instances. A hash has the newest progress of each
-- instance, and a log (stream) every change of it, numbered without gaps: whoever has read up to a number reads on from
-- there. Where many have changed, a summary of the hash takes the place of the log: what most instances say, and which
-- instances it does not hold for. So a change that all instances put in force costs each of them one message and not one
-- from every other instance.
--
-- An entry of the hash and of the log is "NUMBER SEQUENCE BOOT\nCUT\nSTANDING": the number of its change; sequence and boot
-- of its InstanceProgress; the requests cut (JSON), which a summary leaves out, and the log, too, where they are the
-- same as before (""); and all else of the progress (JSON).
-- An epoch begins whenever changes may have been lost, as in a restart or fail-over of Redis. What was known before
-- proves nothing then: each instance writes its progress again with its next heartbeat.

-- Number of changes that the log keeps.
local KEEP_CHANGES = 5000
-- Min time between two scans of the hash, ms.
local SUMMARY_MS = 250

local Progress = {}

-- key: of the hash; log: key of the log; now: time of the server, ms. isChecked: begin an epoch if this is not the server
-- that the current one began at, or if one of the keys is of the wrong type.
function Progress.open(key, log, now, isChecked)
  local self = setmetatable({ key = key, log = log, now = now, removed = '' }, { __index = Progress })
  local isDamaged = false
  for _, each in ipairs({ { key, 'hash' }, { log, 'stream' } }) do
    local is = redis.call('TYPE', each[1]).ok
    if is ~= 'none' and is ~= each[2] then
      redis.call('DEL', each[1])
      self.removed = each[1] .. ' was a ' .. is
      isDamaged = true
    end
  end
  local epoch, run, number = string.match(redis.call('HGET', key, '#head') or '', '^(%d+)%.(%w*) (%d+)$')
  if isDamaged or not epoch or (isChecked and run ~= Progress.run()) then
    self:begin()
  else
    self.epoch, self.number = epoch .. '.' .. run, tonumber(number)
  end
  return self
end

-- Identifies the process of this server; "" = it does not tell.
function Progress.run() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '' end

function Progress:begin()
  redis.call('DEL', self.key, self.log)
  self.epoch, self.number = string.format('%.0f', self.now) .. '.' .. Progress.run(), 0
  redis.call('HSET', self.key, '#head', self.epoch .. ' 0')
end

local ENTRY = '^(%d+) (%d+) (%S+)\n([^\n]*)\n(.*)$'

-- Notes the progress of an instance, unless newer progress of the same process is there. isTold: it is also sent to all
-- instances at once. Returns the name of the change and the requests cut before it ("" = the same, "?" = unknown); nil =
-- there is newer progress, or nothing has changed and nothing is sent
function Progress:note(id, boot, sequence, cut, standing, isTold)
  local number, lastSequence, lastBoot, lastCut, lastStanding = string.match(self:of(id), ENTRY)
  local isSameBoot = lastBoot == boot
  if isSameBoot and tonumber(lastSequence) >= tonumber(sequence) then return nil end
  local head, said = ' ' .. sequence .. ' ' .. boot .. '\n', cut .. '\n' .. standing
  if isSameBoot and lastCut == cut and lastStanding == standing then
    redis.call('HSET', self.key, id, number .. head .. said)
    if not isTold then return nil end
    return self.epoch .. ' ' .. number, ''
  end
  local before = isSameBoot and lastCut or number and '{}' or '?'
  if before == cut then before = '' end
  if not self:isNext() then
    self:begin()
    before = '?'
  end
  self.number = self.number + 1
  local change = string.format('%.0f', self.number)
  -- There may have been requests cut at a thousand servers, and most changes are of something else.
  local changed = isSameBoot and before == '' and '\n' .. standing or said
  redis.call(
    'XADD', self.log, 'MAXLEN', '~', KEEP_CHANGES, change .. '-0',
    'id', id, 'entry', change .. head .. changed, 'before', before, 'told', isTold and '1' or ''
  )
  redis.call('HSET', self.key, id, change .. head .. said, '#head', self.epoch .. ' ' .. change)
  return self.epoch .. ' ' .. change, before
end

-- Whether the log takes the next change: somebody else may have written to it.
function Progress:isNext()
  local last = redis.call('XREVRANGE', self.log, '+', '-', 'COUNT', 1)[1]
  return not last or tonumber(string.match(last[1], '^%d+')) <= self.number
end

-- Forgets the progress of an instance that has departed.
function Progress:forget(id) redis.call('HDEL', self.key, id) end

-- The entry of an instance; "" = none
function Progress:of(id) return redis.call('HGET', self.key, id) or '' end

-- The reply to a reader that knows all entries. See `news`.
function Progress:nothingNew()
  local number = string.format('%.0f', self.number)
  return { self.epoch, number, number, '' }
end

-- What has changed since the last reply to a reader. since: "EPOCH NUMBER" of that; reader: its id; max: number of changes
-- above which a summary takes their place, and further ones are left for the next reply (-1 = all of them, one by one);
-- isToldToo: includes those that were also sent to all instances; beats: key of the hash of beats.
-- Returns the epoch, the number up to which the reply goes, the last number, a summary ("" = none), and then id, entry
-- and requests cut before ("" = the same, "?" = unknown) of each change
function Progress:news(since, reader, max, isToldToo, beats)
  local epoch, from = string.match(since, '^(%S+) (%d+)$')
  local isContinued = epoch == self.epoch and tonumber(from) <= self.number
  from = isContinued and tonumber(from) or 0
  isToldToo = isToldToo or not isContinued
  local reply = self:nothingNew()
  local function add(id, entry, before)
    if id == reader then return end
    reply[#reply + 1] = id
    reply[#reply + 1] = entry
    reply[#reply + 1] = before
  end
  if max >= 0 and self.number - from > max then
    local summary = self:summary(beats, max)
    if summary and summary.number > from then
      from = summary.number
      reply[4] = summary.json
      for _, id in ipairs(summary.but) do
        local entry = self:of(id)
        if entry ~= '' then add(id, entry, '?') end
      end
    end
  end
  local upTo = max >= 0 and math.min(self.number, from + max) or self.number
  if upTo > from then
    local changes = redis.call('XRANGE', self.log, string.format('%.0f-0', from + 1), string.format('%.0f-0', upTo))
    if #changes == upTo - from then
      for _, change in ipairs(changes) do
        local fields = change[2]
        if isToldToo or fields[8] == '' then add(fields[2], fields[4], fields[6]) end
      end
    else
      -- The log does not go back that far.
      upTo = self.number
      local all = redis.call('HGETALL', self.key)
      for i = 1, #all, 2 do
        if string.sub(all[i], 1, 1) ~= '#' then add(all[i], all[i + 1], '?') end
      end
    end
  end
  reply[2] = string.format('%.0f', upTo)
  return reply
end

-- The last summary, made anew if it is outdated and due; nil = the instances differ too much. max: number of instances that
-- it may not hold for.
function Progress:summary(beats, max)
  local number, at, json = string.match(redis.call('HGET', self.key, '#summary') or '', '^(%d+) (%d+) (.*)$')
  local isDue = not number or (tonumber(number) < self.number and self.now - at >= SUMMARY_MS) or self.now < tonumber(at)
  if isDue then
    json = self:summarize(beats, max)
    number = string.format('%.0f', self.number)
    redis.call('HSET', self.key, '#summary', number .. ' ' .. string.format('%.0f', self.now) .. ' ' .. json)
  end
  if json == '' then return nil end
  return { number = tonumber(number), json = json, but = cjson.decode(json).but }
end

-- Returns what most instances say, and the ids of the others, as JSON; "" = too many others.
function Progress:summarize(beats, max)
  local standings, counts, most = {}, {}, nil
  local all = redis.call('HGETALL', self.key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) ~= '#' then standings[all[i]] = string.match(all[i + 1], '^[^\n]*\n[^\n]*\n(.*)$') end
  end
  local ids = {}
  local marks = redis.call('HGETALL', beats)
  for i = 1, #marks, 2 do
    local id = marks[i]
    if string.sub(id, 1, 1) ~= '#' then
      local standing = standings[id]
      if string.sub(marks[i + 1], 1, 2) == '- ' then
        if standing then self:forget(id) end
      else
        ids[#ids + 1] = id
        if standing then
          counts[standing] = (counts[standing] or 0) + 1
          if not most or counts[standing] > counts[most] then most = standing end
        end
      end
    end
  end
  local but = {}
  for _, id in ipairs(ids) do
    if standings[id] ~= most or not most then
      but[#but + 1] = id
      if #but > max then return '' end
    end
  end
  if not most then return '' end
  return cjson.encode({ number = string.format('%.0f', self.number), standing = most, but = but })
end

