-- What scripts know of a record (record.rs): the mark of its session, what was confirmed of it, what was reported.
local function parts(record)
  if string.byte(record) ~= 2 then
    return '', '', string.sub(record, 2)
  end
  local length = struct.unpack('>I4', string.sub(record, 10, 13))
  return string.sub(record, 2, 9), string.sub(record, 14, 13 + length), string.sub(record, 14 + length)
end

local function put_together(mark, confirmed, reported)
  return '\2' .. mark .. struct.pack('>I4', #confirmed) .. confirmed .. reported
end
