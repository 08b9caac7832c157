// The cost model in the browser: the arithmetic of judge/cost_terms.py, cost_fit.py, cost_queue.py and cost_model.py, and
// the sentences of estimate_text.py. tests/loadtest/test_estimate_form.py holds both together.
"use strict";

function costModel(model) {
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  function terms(asked) {
    const { n, m, w, d, t, c, pool } = asked;
    const [least, most] = model.span;
    const queries = n > 0 ? 1 : 0;
    const many = most > least ? Math.log(c / least) / Math.log(most / least) : 0;
    const waiting = Math.max(0, 1 - pool / c);
    const delayed = n ? d / (d + model.half) : 0;
    return {
      bare_few: (1 - queries) * (1 - many), bare_many: (1 - queries) * many, bare_bytes: (1 - queries) * m / model.bytes,
      request_few: queries * (1 - many), request_many: queries * many, bytes: queries * m / model.bytes,
      read: (n - w) * (1 - waiting) * (1 - delayed), read_waiting: (n - w) * waiting * (1 - delayed),
      update: w * (1 - delayed), delayed: n * delayed,
      idle: 1 - (1 - delayed) * (1 - t / (t + model.half)), gap: n * d / Math.min(c, pool) + t / c,
      process: 1, connection: c - least,
    };
  }

  const row = (costs, asked) => { const has = terms(asked); return costs.terms.map((term) => has[term]); };
  const total = (costs, asked) => sum(row(costs, asked).map((has, i) => has * costs.each[i]));

  function doubtOf(costs, asked) {
    const has = row(costs, asked), value = total(costs, asked);
    const spread = sum(has.map((a, i) => a * sum(has.map((b, j) => b * costs.unknown[i][j]))));
    return value > 0 ? spread / (value * value) : 0;
  }

  const inside = (server, { n, w, d }) =>
    1000 * ((d ? n * (d + server.waits.late + server.waits.busy / d) : 0) + w * server.waits.update);

  function closed(connections, wait, service) {
    let queue = 0, rate = 0;
    for (let k = 1; k <= connections; k++) {
      const time = service * (1 + queue);
      rate = k / (wait + time);
      queue = rate * time;
    }
    return rate * 1e6;
  }

  function throughput(server, asked) {
    const busy = total(server.costs.busy, asked);
    const service = busy / server.cpus, wait = inside(server, asked) + busy - service;
    const held = asked.n ? closed(Math.min(asked.c, asked.pool), wait, service) : Infinity;
    return asked.n && !asked.t ? held : Math.min(held, closed(asked.c, wait + 1000 * asked.t, service));
  }

  function bound(server, asked) {
    const busy = total(server.costs.busy, asked), alone = busy + inside(server, asked);
    const limits = { cpus: server.cpus / busy, connections: asked.c / (alone + 1000 * asked.t) };
    if (asked.n && asked.c > asked.pool) limits.pool = asked.pool / alone;
    return Object.keys(limits).reduce((least, name) => (limits[name] < limits[least] ? name : least));
  }

  const value = (server, measure, asked) =>
    measure === "rate" ? throughput(server, asked) : total(server.costs[measure], asked);
  const doubt = (server, measure, asked) => doubtOf(server.costs[measure === "rate" ? "busy" : measure], asked);

  function figure(middle, { misfit, drift, critical }, unknown) {
    const reach = Math.max(model.narrowest, critical * Math.sqrt(misfit * misfit * (1 + unknown) + drift * drift));
    return [middle, middle / Math.exp(reach), middle * Math.exp(reach)];
  }

  function outside(server, measure, asked) {
    const needed = model.needs[measure] || model.axes;
    return needed.filter((axis) => asked[axis] < server.ranges[axis][0] || asked[axis] > server.ranges[axis][1]);
  }

  function generatorBound(server, asked) {
    const distance = (other) =>
      sum(model.axes.map((axis, i) => Math.abs(Math.log((1 + other[i]) / (1 + asked[axis])))));
    const nearest = server.measured.reduce((best, one) => (distance(one) < distance(best) ? one : best));
    return Boolean(nearest[model.axes.length]);
  }

  function estimate(server, asked) {
    const base = model.servers[0], figures = {}, ratios = {};
    for (const measure of Object.keys(server.spreads)) {
      if (outside(server, measure, asked).length) continue;
      const middle = value(server, measure, asked), unknown = doubt(server, measure, asked);
      figures[measure] = figure(middle, server.spreads[measure], unknown);
      if (server.ratios[measure]) {
        const both = (unknown + doubt(base, measure, asked)) / 2;
        ratios[measure] = figure(middle / value(base, measure, asked), server.ratios[measure], both);
      }
    }
    const [rate, low, high] = figures.rate || [];
    return {
      figures, ratios,
      latency: rate && [rate, high, low].map((each) => asked.c * 1e6 / each),
      bound: rate && bound(server, asked), generatorBound: generatorBound(server, asked),
    };
  }

  // ---- words

  function significant(number) {
    if (number === 0 || !isFinite(number)) return String(number);
    const places = 2 - Math.floor(Math.log10(Math.abs(number)));
    return places >= 0 ? number.toFixed(places) : String(Math.round(number / 10 ** -places) * 10 ** -places);
  }
  function number(given) {
    const text = significant(given);
    return /^\d+$/.test(text) ? text.replace(/\B(?=(\d{3})+$)/g, ",") : text;
  }
  const ratioText = (given) => (given >= 0.095 && given < 10 ? given.toFixed(2) : significant(given)) + "x";
  function shown(found, scale = 1) {
    if (!found) return "";
    const [middle, low, high] = found.map((each) => number(each / scale));
    return found[2] ? `${middle} [${low} ${high}]` : middle;
  }
  function ratioShown(found) {
    if (!found) return "";
    const [middle, low, high] = found.map(ratioText);
    return `${middle} [${low.slice(0, -1)} ${high.slice(0, -1)}]`;
  }
  const listed = (names) =>
    names.length > 1 ? names.slice(0, -1).join(", ") + " and " + names[names.length - 1] : names.join("");
  const named = (asked) =>
    ["n", "m", "w", "d", "t", "c"].filter((axis) => asked[axis] || "nmc".includes(axis))
      .map((axis) => `${axis.toUpperCase()}=${asked[axis]}`).join(" ");

  function against(found, measure, more, less) {
    const groups = new Map();
    model.servers.forEach((server, i) => {
      const ratio = found[i].ratios[measure];
      if (!ratio) return;
      const words = ratio[1] > 1 ? more : ratio[2] < 1 ? less : "";
      groups.set(words, [...(groups.get(words) || []), `${server.name} (${ratioText(ratio[0])})`]);
    });
    const parts = [...groups].filter(([words]) => words)
      .map(([words, names]) => `${listed(names)} would ${words} ${model.servers[0].name}`);
    if (groups.has("")) parts.push(`the model cannot tell for ${listed(groups.get(""))}`);
    return parts.join("; ");
  }

  function sentence(asked, found) {
    const known = model.servers.filter((_, i) => found[i].figures.rate);
    if (!known.length) return "";
    let lead = `At ${named(asked)}, `;
    if (found[0].figures.rate && known.length > 1) {
      lead += against(found, "rate", "answer more requests per second than", "answer fewer than");
      lead += `. Of CPU per request, ${against(found, "server", "need more than", "need less than")}.`;
    } else {
      const each = model.servers.map((server, i) => [server.name, found[i].figures.rate]).filter(([, rate]) => rate);
      lead += listed(each.map(([name, rate]) => `${name} would answer ${number(rate[0])} requests per second`)) + ".";
    }
    const met = new Set(found.filter((each) => each.bound)
      .map((each) => model.limits[each.bound][1].replace("{}", each.bound === "pool" ? asked.pool : asked.c)));
    return `${lead} Throughput would be bound by ${listed([...met])}.`;
  }

  function refusals(asked) {
    const lost = new Map();
    for (const server of model.servers)
      for (const measure of Object.keys(server.spreads))
        for (const axis of outside(server, measure, asked)) {
          const key = [axis, ...server.ranges[axis]].join(" ");
          if (!lost.has(key)) lost.set(key, { axis, range: server.ranges[axis], names: new Set(), measures: new Set() });
          lost.get(key).names.add(server.name);
          lost.get(key).measures.add(measure);
        }
    return [...lost.values()].map(({ axis, range: [low, high], names, measures }) => {
      const of = names.size === model.servers.length ? "" : ` for ${listed([...names])}`;
      const reach = low === high ? `was only ${low}` : `reached from ${low} to ${high}`;
      return `${axis.toUpperCase()}=${asked[axis]} is outside of the measured range: ${model.words[axis]} ${reach}:` +
        ` no estimate${of}${measures.has("memory") ? "" : " but of memory"}.`;
    });
  }

  function doubts(asked) {
    const out = [], at = (axis) => model.axes.indexOf(axis);
    const same = (one) => model.axes.every((axis, i) => one[i] === asked[axis]);
    if (model.configurations.some(same)) out.push(`${named(asked)} was measured: its own runs say more than this model.`);
    for (const axis of model.axes) {
      const values = [...new Set(model.configurations.map((one) => one[at(axis)]))].sort((a, b) => a - b)
        .filter((each) => axis !== "n" || each);
      if (values.length === 2 && values[0] < asked[axis] && asked[axis] < values[1])
        out.push(`${axis.toUpperCase()}=${asked[axis]} rests on a line between ${values[0]} and ${values[1]}, the only values measured.`);
    }
    const place = (n, m, c) => `N=${n} M=${m} C=${c}`;
    for (const axis of ["w", "d", "t"]) {
      const where = model.configurations.filter((one) => one[at(axis)]);
      const places = [...new Set(where.map((one) => place(one[at("n")], one[at("m")], one[at("c")])))];
      if (asked[axis] && !places.includes(place(asked.n, asked.m, asked.c)) && places.length < 4)
        out.push(`${axis.toUpperCase()} was measured at ${listed(places)} alone: elsewhere the estimate rests on the model's form.`);
    }
    return out;
  }

  function answer(asked) {
    const found = model.servers.map((server) => estimate(server, asked));
    const any = found.some((each) => Object.keys(each.figures).length);
    return { found, sentence: sentence(asked, found), refusals: refusals(asked), doubts: any ? doubts(asked) : [] };
  }
  return { answer, shown, ratioShown };
}

function costForm(model, form, output) {
  const { answer, shown, ratioShown } = costModel(model);
  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  function table(name, heads, rows) {
    const box = element("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": name });
    const made = document.createElement("table"), head = made.createTHead().insertRow(), body = made.createTBody();
    for (const text of heads) head.append(element("th", text, { scope: "col" }));
    for (const [server, ...cells] of rows) {
      const row = body.insertRow();
      row.append(element("th", server, { scope: "row" }), ...cells.map((text) => element("td", text)));
    }
    box.append(made);
    return box;
  }

  function wrong(asked) {
    const least = (axis) => (axis === "c" || axis === "pool" ? 1 : 0);
    for (const axis of model.axes)
      if (!Number.isSafeInteger(asked[axis]) || asked[axis] < least(axis))
        return `${axis.toUpperCase()}: ${model.words[axis]} is a whole number of ${least(axis)} or more.`;
    if (asked.w > asked.n) return `W=${asked.w} updates do not fit into N=${asked.n} queries.`;
    return asked.m > 0 && asked.m < 64 ? `M=${asked.m}: a body has 0 or at least 64 bytes.` : "";
  }

  function show() {
    const asked = { ...model.usual };
    for (const field of form.querySelectorAll("input")) asked[field.name] = field.value === "" ? NaN : Number(field.value);
    const fault = wrong(asked);
    if (fault) return output.replaceChildren(element("p", fault));
    const { found, sentence, refusals, doubts } = answer(asked), base = model.servers[0].name, sure = `[${model.sure}]`;
    const lines = [sentence, ...refusals].filter(Boolean).map((text) => element("p", text));
    const rows = (some) => model.servers.map((server, i) => [server, found[i]]).filter(([, each]) => each.figures[some]);
    const tables = element("div", "", { class: "estimate-tables" });
    const add = (name, some, heads, cells) => {
      if (rows(some).length)
        tables.append(table(name, ["server", ...heads], rows(some).map(([server, each]) => [server.name, ...cells(server, each)])));
    };
    add("Estimate of requests per second", "rate", [`requests/s ${sure}`, `vs ${base}`, "limit", "error"],
      (server, { figures, ratios, bound, generatorBound }) => [shown(figures.rate) + (generatorBound ? "*" : ""),
        ratioShown(ratios.rate), model.limits[bound][0], server.spreads.rate.error]);
    add("Estimate of the server's CPU", "server", [`server CPU, µs ${sure}`, `vs ${base}`, "error"],
      (server, { figures, ratios }) => [shown(figures.server), ratioShown(ratios.server), server.spreads.server.error]);
    for (const part of ["database", "generator"])
      add(`Estimate of the ${part}'s CPU`, part, [`${part} CPU, µs ${sure}`, "error"],
        (server, { figures }) => [shown(figures[part]), server.spreads[part].error]);
    add("Estimate of latency and memory", "memory", [`mean latency, ms ${sure}`, `memory, MiB ${sure}`, "error"],
      (server, { figures, latency }) => [shown(latency, 1000), shown(figures.memory, 1024), server.spreads.memory.error]);
    lines.push(tables);
    if (found.some((each) => each.generatorBound && each.figures.rate))
      doubts.push("*: a lower bound. At the nearest configuration that was measured, the load generator was the bottleneck.");
    lines.push(...doubts.map((text) => element("p", text, { class: "note" })));
    output.replaceChildren(...lines);
  }

  form.hidden = false;
  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  form.addEventListener("input", show);
  show();
}
