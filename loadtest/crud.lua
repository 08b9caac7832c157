-- wrk's side of a run of WORKLOAD=crud: a mix of reads and writes of /items, and a check of every response.
--
--   wrk ... -s crud.lua URL -- READS LISTS CREATES REPLACES PATCHES DELETES ROWS SEED [FAULT]
--
-- The first six are shares. The table has the items 1 to ROWS, which are read, replaced and patched, and never deleted.
-- A thread deletes only what it created itself, once the creation was acknowledged: so no two threads, and no two
-- generators, get in each other's way. Where it has nothing to delete, it creates an item in place of the deletion.
--
-- wrk does not say which request a response belongs to, and with several connections a thread's responses come in any
-- order. So each response must name its request: a list begins after the item that was asked for, an item that was read
-- has the id asked for, and an item that was written has the `value` that was sent, a number that the thread uses once.
-- A deletion's 204 names nothing, and is counted. What names no request that is waiting is `wrong`.
--
-- FAULT is for tests: error=EVERY, short=EVERY (a list of half the length), burn=MICROSECONDS before each request.

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "wrk.lua")

local KINDS = { "reads", "lists", "creates", "replaces", "patches", "deletes" }
local READ, LIST, CREATE, REPLACE, PATCH, DELETE = 1, 2, 3, 4, 5, 6
local PAGE = 20 -- items of a list; no other length is asked for
local PAYLOAD = '{"colour":"green","weight":12.5,"tags":["new","large","fragile"],"stock":{"north":7,"south":12},'
    .. '"text":"A small thing that somebody keeps in a table, with a line or two about it."}'
local random, concat = math.random, table.concat

-- Globals, since wrk copies only those out of a thread.
issued, answered = { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, 0 }
wrong, first_wrong = 0, ""

local rows, shares, total, host, fault, every
local made = 0 -- requests, where a fault is injected
local reads, lists = {}, {} -- id or `after` -> requests that wait
local kinds, ids = {}, {} -- `value` of a write that waits -> its kind, its item
local created, count = {}, 0 -- items of this thread; the last `value`
local checked = true

local function message(method, path, kind, body)
    local head = method .. " " .. path .. " HTTP/1.1\r\nHost: " .. host
    if not body then
        return head .. "\r\n\r\n"
    end
    return concat({ head, "\r\nContent-Type: ", kind, "\r\nContent-Length: ", #body, "\r\n\r\n", body })
end

local function item(name, value)
    return '{"name":"waitbench ' .. name .. '","value":' .. value .. ',"payload":' .. PAYLOAD .. "}"
end

local function choose()
    local left = random(total)
    for kind = READ, PATCH do
        left = left - shares[kind]
        if left <= 0 then
            return kind
        end
    end
    return #created > 0 and DELETE or CREATE
end

local function write(kind, id)
    count = count + 1
    kinds[count], ids[count] = kind, id
    if kind == CREATE then
        return message("POST", "/items", "application/json", item("created", count))
    elseif kind == REPLACE then
        return message("PUT", "/items/" .. id, "application/json", item("replaced", count))
    end
    return message("PATCH", "/items/" .. id, "application/merge-patch+json", '{"value":' .. count .. "}")
end

local function add(waiting, key)
    waiting[key] = (waiting[key] or 0) + 1
end

local function take(waiting, key)
    local left = waiting[key]
    if left then
        waiting[key] = left > 1 and left - 1 or nil
    end
    return left ~= nil
end

local function next_request()
    local kind = choose()
    issued[kind] = issued[kind] + 1
    if kind == DELETE then
        return message("DELETE", "/items/" .. table.remove(created))
    elseif kind == LIST then
        local after = random(0, rows - PAGE - 1)
        add(lists, after)
        return message("GET", "/items?limit=" .. PAGE .. "&after=" .. after)
    end
    local id = random(rows)
    if kind == READ then
        add(reads, id)
        return message("GET", "/items/" .. id)
    end
    return write(kind, kind ~= CREATE and id or nil)
end

local function next_with_fault()
    made = made + 1
    if fault == "burn" then
        local until_when = os.clock() + every / 1e6
        while os.clock() < until_when do end
    elseif made % every == 0 then
        issued[LIST] = issued[LIST] + 1
        add(lists, 0)
        return message("GET", "/items?after=0&limit=" .. (fault == "short" and PAGE / 2 or "none"))
    end
    return next_request()
end

-- The kind of the request that a response names; nil for none that waits.
local function kind_of(status, headers, body)
    if status == 204 then
        return #body == 0 and DELETE or nil
    end
    local media = headers["Content-Type"] or headers["content-type"] or ""
    local id = tonumber(body:match('"id"%s*:%s*(%d+)'))
    if not media:find("^application/json") or not id then
        return nil
    end
    if status == 200 and body:find('"items"', 1, true) then
        local last = tonumber(body:sub(-30):match('"next"%s*:%s*(%d+)%s*}%s*$'))
        return take(lists, id - 1) and last == id - 1 + PAGE and LIST or nil
    end
    local value = tonumber(body:match('"value"%s*:%s*(%-?%d+)'))
    local location = headers["Content-Location"] or headers["content-location"]
    if status == 200 and not location then
        return take(reads, id) and value and READ or nil
    end
    local kind, expected = kinds[value or 0], ids[value or 0]
    if not kind then
        return nil
    end
    kinds[value], ids[value] = nil, nil
    if status == 201 and kind == CREATE then
        if (headers["Location"] or headers["location"]) ~= "/items/" .. id or id <= rows then
            return nil
        end
        created[#created + 1] = id
        return CREATE
    end
    return status == 200 and id == expected and kind or nil
end

function response(status, headers, body)
    local kind = kind_of(status, headers, body)
    if kind then
        answered[kind] = answered[kind] + 1
    else
        wrong = wrong + 1
        if first_wrong == "" then
            first_wrong = status .. " " .. body:sub(1, 160):gsub("%s+", " ")
        end
    end
end

function request()
    if not checked then -- wrk makes one request of its first thread before it starts, to look at it
        checked = true
        return message("GET", "/items")
    end
    return (fault and next_with_fault or next_request)()
end

local threads = {}

-- wrk calls it once for each thread, and init() in the thread after it.
function setup(thread)
    threads[#threads + 1] = thread
    thread:set("number", #threads)
end

function init(args)
    host = wrk.headers["Host"]
    shares, total = {}, 0
    for kind = READ, DELETE do
        shares[kind] = tonumber(args[kind])
        total = total + shares[kind]
    end
    rows = tonumber(args[7])
    if args[9] then
        fault, every = args[9]:match("^(%l+)=(%d+)$")
        every = tonumber(every)
    end
    checked = number ~= 1
    math.randomseed(tonumber(args[8]) + number)
end

-- The lines that wrk.lua's done() adds: over all threads.
function more_results()
    local lines, failed, first = {}, 0, ""
    for kind = READ, DELETE do
        local sent, received = 0, 0
        for _, thread in ipairs(threads) do
            sent, received = sent + thread:get("issued")[kind], received + thread:get("answered")[kind]
        end
        lines[#lines + 1] = "issued_" .. KINDS[kind] .. " " .. sent
        lines[#lines + 1] = "answered_" .. KINDS[kind] .. " " .. received
    end
    for _, thread in ipairs(threads) do
        failed = failed + thread:get("wrong")
        first = first ~= "" and first or thread:get("first_wrong")
    end
    lines[#lines + 1] = "wrong " .. failed
    lines[#lines + 1] = "first_wrong " .. (first ~= "" and first or "-")
    return lines
end
