-- Asks a Hub for the addresses in a file, at random, and prints latencies as JSON (for wrk).
local addresses = {}

function init(args)
  for line in io.lines(args[1]) do
    table.insert(addresses, line)
  end
  math.randomseed(tonumber(args[2]))
end

function request()
  local line = addresses[math.random(#addresses)]
  local method, path = line:match("^(%S+) (.+)$")
  return wrk.format(method, path)
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"p50": %.3f, "p95": %.3f, "p99": %.3f, "requests": %d, "seconds": %.3f, "errors": %d}\n',
    latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000,
    summary.requests, summary.duration / 1e6,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
