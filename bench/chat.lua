-- For wrk: posts a chat request of BENCH_BYTES bytes (default 1024), several messages when it is
-- long. Also read: BENCH_KEY, BENCH_MODEL, BENCH_HEADERS (lines). The result is one line of JSON.
local want = tonumber(os.getenv("BENCH_BYTES") or 1024)
local prose = "Summarise the report on the bridge in three points, and say who has to decide. "

local function message(i, length)
   local text = string.rep(prose, math.ceil(length / #prose)):sub(1, length)
   return string.format('{"role":"%s","content":"%s"}', i % 2 == 0 and "assistant" or "user", text)
end

local function body()
   local open = string.format('{"model":"%s","temperature":0.2,"messages":[', os.getenv("BENCH_MODEL") or "mock")
   local parts, size, i = {}, #open + 2, 1
   while size < want - 40 do
      parts[i] = message(i, math.min(900, want - size - 36))
      size = size + #parts[i] + 1
      i = i + 1
   end
   return open .. table.concat(parts, ",") .. "]}"
end

function init()
   wrk.method = "POST"
   wrk.path = "/v1/chat/completions"
   wrk.headers["Content-Type"] = "application/json"
   wrk.headers["Authorization"] = "Bearer " .. (os.getenv("BENCH_KEY") or "none")
   for name, value in (os.getenv("BENCH_HEADERS") or ""):gmatch("([^:\n]+): ([^\n]+)") do
      wrk.headers[name] = value
   end
   wrk.body = body()
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format('\n{"requests":%d,"seconds":%.3f,"errors":%d,"p50_us":%d,"p99_us":%d}\n',
      summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
      latency:percentile(50), latency:percentile(99)))
end
