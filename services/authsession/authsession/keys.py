"""Names of everything that authsession keeps in Redis, and the parts that its Lua scripts share.

Private, read and written by this service alone:

| key | kind | holds |
|---|---|---|
| `authsession:challenge:{challenge_id}` | hash | a code that was sent, hashed, and what became of it |
| `authsession:throttle:{address hash}` | string | the challenge whose mail is the address' last one |
| `authsession:session:{device_session_id}` | hash | a device session: the truth |
| `authsession:user-sessions:{user_id}` | sorted set | the user's sessions, by order of creation |
| `authsession:user-active:{user_id}` | sorted set | the active ones among them |
| `authsession:user-block:{user_id}`, `authsession:address-block:{address hash}` | hash | a block |
| `authsession:sequence` | string | how many sessions were ever created |

Published (`api/streams.schema.json`): `gateway:session:{device_session_id}` and `gateway:session-events`.

Scripts build the names of a session's keys themselves: which sessions a change touches is known only inside of it. That
needs a Redis that holds every key, a primary with or without replicas, not a cluster.
"""

from typing import Final

CHALLENGE: Final = "authsession:challenge:"
THROTTLE: Final = "authsession:throttle:"
SESSION: Final = "authsession:session:"
USER_SESSIONS: Final = "authsession:user-sessions:"
USER_ACTIVE: Final = "authsession:user-active:"
USER_BLOCK: Final = "authsession:user-block:"
ADDRESS_BLOCK: Final = "authsession:address-block:"
SEQUENCE: Final = "authsession:sequence"
PROJECTION: Final = "gateway:session:"
EVENTS: Final = "gateway:session-events"

NOW: Final = """
local function now_ms()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
"""
"""Lua: Redis' clock in Unix milliseconds as decimal text: one clock for all instances."""

PUBLISH: Final = f"""
local projected = {{
  'device_session_id', 'user_id', 'status', 'client_public_key', 'created_at_ms', 'version', 'revoked_at_ms', 'revoke_reason'
}}

-- Writes the projection and the stream entry of a session from its truth.
local function publish(id, event, max_events)
  local values = redis.call('HMGET', '{SESSION}' .. id, unpack(projected))
  local fields = {{}}
  for index, name in ipairs(projected) do
    if values[index] then
      fields[#fields + 1] = name
      fields[#fields + 1] = values[index]
    end
  end
  redis.call('HSET', '{PROJECTION}' .. id, unpack(fields))
  redis.call('XADD', '{EVENTS}', 'MAXLEN', '~', max_events, '*', 'event', event, unpack(fields))
end
"""
"""Lua: `publish(id, event, max_events)`."""

REVOKE: Final = f"""
-- Revokes one session unless it is revoked. Returns whether this call did it.
local function revoke(id, now, reason, actor, retention, max_events)
  local key = '{SESSION}' .. id
  local found = redis.call('HMGET', key, 'status', 'user_id')
  if found[1] ~= 'active' then
    return false
  end
  redis.call('HSET', key, 'status', 'revoked', 'revoked_at_ms', now, 'revoke_reason', reason, 'revoked_by', actor)
  redis.call('HINCRBY', key, 'version', 1)
  publish(id, 'session.revoked', max_events)
  redis.call('PEXPIRE', key, retention)
  redis.call('PEXPIRE', '{PROJECTION}' .. id, retention)
  redis.call('ZREM', '{USER_ACTIVE}' .. found[2], id)
  if redis.call('EXISTS', '{USER_ACTIVE}' .. found[2]) == 0 then
    redis.call('PEXPIRE', '{USER_SESSIONS}' .. found[2], retention)
  end
  return true
end

-- Revokes every active session of a user, the oldest first. Returns how many.
local function revoke_all(user, now, reason, actor, retention, max_events)
  local count = 0
  for _, id in ipairs(redis.call('ZRANGE', '{USER_ACTIVE}' .. user, 0, -1)) do
    if revoke(id, now, reason, actor, retention, max_events) then
      count = count + 1
    end
  end
  return count
end
"""
"""Lua, needs PUBLISH: `revoke(...)` and `revoke_all(...)`."""
