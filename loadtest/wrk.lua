-- wrk's side of a run: requests are formatted once, and the whole histogram is printed at the end.
--
--   wrk ... -s wrk.lua URL -- PATH [OTHER EVERY] [burn=MICROSECONDS]
--
-- Every connection asks for PATH. For the self-test one request in EVERY asks for OTHER instead, and
-- `burn` keeps the generator busy before each request. Without these faults no Lua runs per request,
-- since wrk looks for a global `request` only after init(). crud.lua has requests of its own, and takes done() from here.

local ffi = require("ffi")

local function inject(path, other, every, burn)
    local usual = wrk.format("GET", path)
    local odd = other and wrk.format("GET", other)
    local count = 0
    function request()
        count = count + 1
        if burn then
            local until_when = os.clock() + burn
            while os.clock() < until_when do end
        end
        return odd and count % every == 0 and odd or usual
    end
end

function init(args)
    wrk.path = args[1]
    local other, every, burn
    for i = 2, #args do
        local microseconds = args[i]:match("^burn=(%d+)$")
        if microseconds then
            burn = microseconds / 1e6
        elseif other then
            every = tonumber(args[i])
        else
            other = args[i]
        end
    end
    if other or burn then
        inject(args[1], other, every, burn)
    end
end

-- struct stats of wrk 4.1.0: uint64_t count, limit, min, max, data[]. latency(i) would scan the array
-- from the start for each i.
function done(summary, latency, requests)
    local stats = ffi.cast("uint64_t **", latency)[0]
    local errors = summary.errors
    local out = {
        "waitbench 1",
        "requests " .. summary.requests,
        "duration_us " .. summary.duration,
        "bytes " .. summary.bytes,
        "errors_connect " .. errors.connect,
        "errors_read " .. errors.read,
        "errors_write " .. errors.write,
        "errors_timeout " .. errors.timeout,
        "errors_status " .. errors.status,
    }
    for _, line in ipairs(more_results and more_results() or {}) do
        out[#out + 1] = line
    end
    out[#out + 1] = "histogram"
    local low, high, data = tonumber(stats[2]), tonumber(stats[3]), stats + 4
    for value = low, high do
        local count = data[value]
        if count ~= 0 then
            out[#out + 1] = value .. " " .. tonumber(count)
        end
    end
    out[#out + 1] = "end\n"
    io.stdout:write(table.concat(out, "\n"))
end
