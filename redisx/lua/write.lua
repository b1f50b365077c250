-- What the scripts that write operations have in common, after position.lua. Their first arguments are
-- the same: 1 fence seq, 2 fence hash, 3 a flag, 4 channel.

-- calls a command on the head with a list of arguments, in pieces that fit on Lua's stack.
local function on_head(command, list, each)
  for i = 1, #list, 1000 do
    local result = redis.call(command, KEYS[1], unpack(list, i, math.min(i + 999, #list)))
    if each then
      for j, value in ipairs(result) do each(i + j - 1, value) end
    end
  end
end

-- looks up sessions, of which each name in the list is "s:<session>": sets last in the table of each.
local function look_up(sessions, names)
  on_head('HMGET', names, function(i, known)
    if known then sessions[string.sub(names[i], 3)].last = tonumber(string.match(known, '^%d+')) end
  end)
end

-- adds the sessions that have got a time to the fields of the head.
local function add_sessions(fields, sessions)
  for session, known in pairs(sessions) do
    if known.time then
      fields[#fields + 1] = 's:' .. session
      fields[#fields + 1] = number(known.last) .. ' ' .. known.time
    end
  end
end
