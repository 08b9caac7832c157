-- A mix of CRUD and work. Each thread makes items, then works on the ids it knows of. Every reply is
-- looked at: what is not among the statuses that the mix can lead to is counted as wrong.
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init()
    math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 100000)
    wrong = 0
    headers = {["Content-Type"] = "application/json"}
end

local function item(size)
    return string.format('{"name":"soak %d","value":%d,"payload":{"text":"%s"}}', math.random(1000000),
                         math.random(1000000), string.rep("x", size))
end

function request()
    local dice, id = math.random(100), math.random(5000)
    if dice <= 60 then
        return wrk.format("GET", string.format("/work?n=%d&m=%d", math.random(0, 2), 64 + math.random(2000)))
    elseif dice <= 62 then
        return wrk.format("GET", "/work?n=2&w=1&m=" .. 64 + math.random(60000))
    elseif dice <= 64 then
        return wrk.format("POST", "/items", headers, item(math.random(2000)))
    elseif dice <= 84 then
        return wrk.format("GET", "/items/" .. id)
    elseif dice <= 87 then
        return wrk.format("GET", "/items?limit=5&after=" .. id)
    elseif dice <= 89 then
        return wrk.format("PUT", "/items/" .. id, headers, item(100))
    elseif dice <= 91 then
        return wrk.format("PATCH", "/items/" .. id, headers, '{"payload":{"text":null,"n":1}}')
    elseif dice <= 92 then
        return wrk.format("DELETE", "/items/" .. id)
    elseif dice <= 96 then
        return wrk.format("GET", "/work?n=none")
    elseif dice <= 98 then
        return wrk.format("POST", "/items", headers, '{"name":')
    end
    return wrk.format("GET", "/healthz")
end

local expected = {[200] = true, [201] = true, [204] = true, [400] = true, [404] = true}

function response(status)
    if not expected[status] then
        wrong = wrong + 1
    end
end

function done(summary)
    local total = 0
    for _, thread in ipairs(threads) do
        total = total + thread:get("wrong")
    end
    local errors = summary.errors
    io.write(string.format("soak %d %d\n", summary.requests,
                           total + errors.connect + errors.read + errors.write + errors.timeout))
end
