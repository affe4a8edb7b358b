-- Defines logEvent, for scripts that add to the log of events; see kept-events.ts for the number to keep.

local KEEP_EVENTS = 10000
-- Id of the newest event, once this script has read or made it.
local newest

-- Adds an event, unless what it opens is open already or what it closes is not open.
-- stream, open: keys; ref: identifies an event that is not of a change; event: JSON; opens: subject ("" = none), and
-- keys: its keys (JSON); closes: subject ("" = none)
local function logEvent(stream, open, ref, event, opens, keys, closes)
  if opens ~= '' and redis.call('HGET', open, opens) then return end
  if closes ~= '' and redis.call('HDEL', open, closes) == 0 then return end
  if not newest then
    local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    newest = last and last[1] or '0-0'
  end
  local fields = { 'previous', newest, 'event', event }
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if ref ~= '' then add('ref', ref) end
  if closes ~= '' then add('closes', closes) end
  if opens ~= '' then
    add('opens', opens)
    add('keys', keys)
  end
  newest = redis.call('XADD', stream, 'MAXLEN', '~', KEEP_EVENTS, '*', unpack(fields))
  if opens ~= '' then
    redis.call('HSET', open, opens, '{"id":"' .. newest .. '","keys":' .. keys .. ',"event":' .. event .. '}')
  end
end

