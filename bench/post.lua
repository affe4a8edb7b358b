-- A script for wrk: every request is a POST. Argument: the length of its body.
function init(args)
  wrk.method = 'POST'
  wrk.body = string.rep('x', tonumber(args[1]))
end
