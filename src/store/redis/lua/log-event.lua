-- Defines logEvent, for scripts that add to the log of events; see kept-events.ts for the number to keep.

local KEEP_EVENTS = 10000

-- Adds an event, unless what it opens is open already or what it closes is not open.
-- stream, open: keys; ref: identifies an event that is not of a change; event: JSON; opens: subject ("" = none), and
-- keys: its keys (JSON); closes: subject ("" = none)
local function logEvent(stream, open, ref, event, opens, keys, closes)
  if opens ~= '' and redis.call('HGET', open, opens) then return end
  if closes ~= '' and redis.call('HDEL', open, closes) == 0 then return end
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local id = redis.call(
    'XADD', stream, 'MAXLEN', '~', KEEP_EVENTS, '*',
    'previous', newest and newest[1] or '0-0', 'ref', ref, 'event', event, 'opens', opens, 'keys', keys, 'closes', closes
  )
  if opens ~= '' then
    redis.call('HSET', open, opens, '{"id":"' .. id .. '","keys":' .. keys .. ',"event":' .. event .. '}')
  end
end

