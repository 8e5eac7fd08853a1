/* The views beside the graph: kernels with a roofline, memory over steps, weights, decisions. */

const columns = (heads, numbers) => make("tr", {}, ...heads.map((h, i) => make("th", { class: numbers.includes(i) ? "number" : "", scope: "col" }, h)));
const cell = (content, number) => make("td", { class: number ? "number" : "" }, content === undefined || content === null ? "" : content);

/* ---- kernels ---- */

/* One line a kernel of the program or of the profile, the longest first. */
function kernelLines() {
  const lines = PROGRAM ? PROGRAM.kernels.map((kernel, number) => ({
    kernel, number, name: kernel.name, family: kernel.family,
    steps: PROGRAM.steps.filter(s => s.kernel === number), time: null,
  })) : [];
  for (const time of PROFILE ? PROFILE.kernels : []) {
    const line = time.kernel !== undefined && lines[time.kernel];
    if (line && time.kind === "kernel") line.time = time;
    else lines.push({ name: time.kind + (time.kernel === undefined ? "" : " " + time.kernel), family: time.kind, steps: [], time });
  }
  return lines.sort((a, b) => (b.time ? b.time.ms : 0) - (a.time ? a.time.ms : 0));
}
const rateOf = t => !t ? "" : t.gflops ? fixed(t.gflops, 4) + " GFLOP/s" : t.gbs ? fixed(t.gbs, 4) + " GB/s" : "";

function nodesOfLine(line) {
  const seen = new Map();
  const add = (name, op) => seen.set(name + "\n" + op, [name, op]);
  for (const step of line.steps) for (const [name, op] of originsOf(step)) add(name, op);
  if (!line.steps.length && line.time) for (const n of line.time.nodes) add(n.name, n.op);
  return [...seen.values()];
}

function kernelsView(into, picked, pick) {
  const lines = kernelLines();
  if (PROFILE) {
    into.append(make("p", { class: "soft" }, `${fixed(PROFILE.run_ms, 4)} ms a run on ${DATA.times.threads} thread${DATA.times.threads > 1 ? "s" : ""}, ` +
      `${PROFILE.runs} runs; this machine: ${fixed(PROFILE.machine_gflops, 4)} GFLOP/s, reads ${fixed(PROFILE.machine_gbs, 4)} GB/s` +
      Object.entries(DATA.times.sizes).map(([k, v]) => `; ${k} = ${v}`).join("")));
    into.append(roofline(lines, pick));
  } else into.append(make("p", { class: "soft" }, "No times: lathe inspect --at NAME=N or --case DIR gives the sizes to run with."));
  const table = make("table", {}, columns(["kernel", "family", "steps", "ms", "share", "in", "rate", "of most", "nodes of the model"], [2, 3, 4, 6, 7]));
  for (const line of lines) {
    const t = line.time, nodes = nodesOfLine(line);
    table.append(make("tr", { class: picked === line.name ? "picked" : "" },
      cell(link(line.name, () => pick(line))), cell(line.family), cell(line.steps.length || (t && t.steps), true),
      cell(t && fixed(t.ms, 3), true), cell(t && (100 * t.share).toFixed(1) + " %", true), cell(t && t.precision),
      cell(rateOf(t), true), cell(t && t.of_machine ? (100 * t.of_machine).toFixed(0) + " %" : "", true),
      cell(nodes.slice(0, 2).map(n => n[0] || n[1]).join(", ") + (nodes.length > 2 ? ` and ${nodes.length - 2} more` : ""))));
  }
  into.append(table);
}

/* GFLOP/s over FLOP a byte, both by powers of ten, under what the machine does. */
function roofline(lines, pick) {
  const dots = lines.filter(l => l.time && l.time.multiply_adds && l.time.bytes && l.time.ms).map(l => ({
    line: l, x: 2 * l.time.multiply_adds / l.time.bytes, y: 2 * l.time.multiply_adds / l.time.ms / 1e6 }));
  if (!dots.length) return make("p", { class: "soft" }, "No product has a rate to draw.");
  const W = 560, H = 260, L = 56, B = 34;
  const most = PROFILE.machine_gflops, band = PROFILE.machine_gbs;
  const x0 = Math.floor(Math.log10(Math.min(...dots.map(d => d.x), most / band))) , x1 = Math.ceil(Math.log10(Math.max(...dots.map(d => d.x), 2 * most / band)));
  const y1 = Math.ceil(Math.log10(Math.max(most, ...dots.map(d => d.y)))), y0 = Math.min(y1 - 2, Math.floor(Math.log10(Math.min(...dots.map(d => d.y)))));
  const px = x => L + (Math.log10(x) - x0) / (x1 - x0) * (W - L - 10), py = y => 8 + (y1 - Math.log10(Math.max(y, 10 ** y0))) / (y1 - y0) * (H - B - 8);
  const svg = make("svg", { width: W, height: H, role: "img", "aria-label": "Roofline: rate of each product's kernel over its operations a byte" });
  for (let k = x0; k <= x1; k++) svg.append(make("line", { class: "axis", x1: px(10 ** k), x2: px(10 ** k), y1: 8, y2: H - B }), make("text", { class: "soft", x: px(10 ** k) - 8, y: H - B + 14 }, String(10 ** k)));
  for (let k = y0; k <= y1; k++) svg.append(make("line", { class: "axis", x1: L, x2: W - 10, y1: py(10 ** k), y2: py(10 ** k) }), make("text", { class: "soft", x: 4, y: py(10 ** k) + 4 }, String(10 ** k)));
  svg.append(make("text", { class: "soft", x: W / 2 - 60, y: H - 4 }, "FLOP a byte"), make("text", { class: "soft", x: L + 4, y: 20 }, "GFLOP/s"));
  const corner = most / band;
  svg.append(make("path", { class: "roof", d: `M${px(10 ** x0)} ${py(band * 10 ** x0)}L${px(corner)} ${py(most)}L${px(10 ** x1)} ${py(most)}` }));
  for (const d of dots)
    svg.append(make("circle", { class: "bar", cx: px(d.x), cy: py(d.y), r: 4 + 8 * Math.sqrt(d.line.time.share), tabindex: 0, role: "button",
      "aria-label": `${d.line.name}: ${fixed(d.y, 3)} GFLOP/s`, click: () => pick(d.line), keydown: e => { if (e.key === "Enter") pick(d.line); } },
      make("title", {}, `${d.line.name}: ${fixed(d.y, 4)} GFLOP/s at ${fixed(d.x, 3)} FLOP a byte, ${(100 * d.line.time.share).toFixed(1)} % of the run`)));
  return svg;
}

/* ---- memory ---- */

/* The buffers of the arena with their bytes and a place for the picture: largest first, first fit. */
function placedBuffers() {
  const slots = slotValues();
  const list = PROGRAM.buffers.map((b, number) => ({ ...b, number, bytes: b.slot === undefined || b.slot === null ? NaN : slots[b.slot] }))
    .filter(b => b.kind === "arena" && b.bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const placed = [];
  for (const b of list) {
    const near = placed.filter(p => p.first <= b.last && b.first <= p.last).sort((p, q) => p.at - q.at);
    b.at = 0;
    for (const p of near) {
      if (b.at + b.bytes <= p.at) break;
      b.at = Math.max(b.at, p.at + p.bytes);
    }
    placed.push(b);
  }
  return placed;
}

function writersOf(buffer) {
  return PROGRAM.steps.filter(s => s.writes.includes(buffer));
}

function memoryView(into, pickStep) {
  const buffers = placedBuffers(), n = PROGRAM.steps.length;
  const alive = new Array(n).fill(0);
  for (const b of buffers) for (let i = b.first; i <= b.last && i < n; i++) alive[i] += b.bytes;
  const peak = alive.indexOf(alive.reduce((m, v) => v > m ? v : m, 0));
  const unknown = PROGRAM.buffers.filter(b => b.kind === "growing").length;
  const slots = slotValues();
  into.append(make("p", {}, `Alive at once: at most ${bytesText(alive[peak] || 0)}, at step ${peak}. Scratch: ${bytesText(PROGRAM.scratch === null ? 0 : slots[PROGRAM.scratch] ?? PROGRAM.scratch)} a thread.` +
    (unknown ? ` ${unknown} buffers grow with the data and are not drawn.` : "")));
  const W = Math.max(600, Math.min(2400, n * 6)), H = 320;
  const top = buffers.reduce((m, b) => Math.max(m, b.at + b.bytes), 1);
  const svg = make("svg", { width: W, height: H + 20, role: "img", "aria-label": "Buffers over steps" });
  const px = i => i / n * W, py = v => H - v / top * H;
  for (const b of buffers.slice(0, 3000)) {
    const writers = writersOf(b.number);
    svg.append(make("rect", { class: "bar" + (b.first <= peak && peak <= b.last ? " hot" : ""), x: px(b.first), y: py(b.at + b.bytes), width: Math.max(1, px(b.last + 1) - px(b.first) - .5), height: Math.max(1, b.bytes / top * H - .5), click: () => writers[0] && pickStep(writers[0]) },
      make("title", {}, `b${b.number}: ${bytesText(b.bytes)}, steps ${b.first} to ${b.last}\n${writers.map(s => s.node || s.kind).join(", ")}`)));
  }
  svg.append(make("line", { class: "axis", x1: 0, x2: W, y1: H, y2: H }), make("text", { class: "soft", x: 2, y: H + 15 }, `step 0 … ${n - 1}; a box is a buffer: width its life, height its bytes; hot: alive at the peak`));
  into.append(make("div", { style: "overflow:auto" }, svg));
  const table = make("table", {}, columns(["alive at the peak", "bytes", "steps", "made by"], [1]));
  for (const b of buffers.filter(b => b.first <= peak && peak <= b.last)) {
    const writer = writersOf(b.number)[0];
    table.append(make("tr", {}, cell("b" + b.number), cell(bytesText(b.bytes), true), cell(`${b.first} to ${b.last}`),
      cell(writer ? link(writer.node || writer.kind, () => pickStep(writer)) : "")));
  }
  into.append(table);
}

/* ---- weights ---- */

function weightsView(into, pickStep) {
  const readers = new Map();
  PROGRAM.steps.forEach(s => s.reads.forEach(b => { if (!readers.has(b)) readers.set(b, []); readers.get(b).push(s); }));
  const list = [];
  PROGRAM.buffers.forEach((b, number) => { if (b.kind === "weight") list.push({ ...PROGRAM.weights[b.weight], number: b.weight, readers: readers.get(number) || [] }); });
  const total = list.reduce((n, w) => n + w.bytes, 0), formats = new Map();
  for (const w of list) {
    const f = formats.get(w.format) || { n: 0, bytes: 0 };
    formats.set(w.format, { n: f.n + 1, bytes: f.bytes + w.bytes });
  }
  const summary = make("table", {}, columns(["format", "weights", "bytes", "share"], [1, 2, 3]));
  for (const [format, f] of [...formats].sort((a, b) => b[1].bytes - a[1].bytes))
    summary.append(make("tr", {}, cell(format), cell(f.n, true), cell(bytesText(f.bytes), true), cell((100 * f.bytes / total).toFixed(1) + " %", true)));
  into.append(make("p", {}, `${list.length} weights, ${bytesText(total)}.`), summary, make("h3", {}, "Each"));
  const table = make("table", {}, columns(["weight", "format", "bytes", "read by"], [2]));
  for (const w of list.sort((a, b) => b.bytes - a.bytes).slice(0, 1000))
    table.append(make("tr", {}, cell("w" + w.number), cell(w.format), cell(bytesText(w.bytes), true),
      cell(make("span", {}, ...w.readers.slice(0, 3).map(s => make("span", {}, link(s.node || s.kind, () => pickStep(s)), " "))))));
  into.append(table);
}

/* ---- decisions ---- */

function decisionsView(into, openPass, pickNode) {
  const passes = make("table", {}, columns(["pass", "nodes behind it", "changed", "gone", "what it does"], [1, 2, 3]));
  COMPILATION.passes.forEach((p, k) => passes.append(make("tr", {},
    cell(link(p.name, () => openPass(k))), cell(p.run ? graphAfter(k).nodes.size : "off", true), cell(p.nodes.length || "", true), cell(p.gone.length || "", true), cell(p.summary))));
  into.append(passes, make("h3", {}, `Nests that pass a tensor through memory: ${COMPILATION.unfused.length}`));
  const g = graphAfter(lastPass), reasons = new Map();
  for (const [maker, reader, reason] of COMPILATION.unfused) {
    if (!reasons.has(reason)) reasons.set(reason, []);
    reasons.get(reason).push([g.nodes.get(maker), g.nodes.get(reader)]);
  }
  for (const [reason, pairs] of reasons) {
    const table = make("table", {}, columns(["made by", "read by"], []));
    for (const [a, b] of pairs.slice(0, 500)) table.append(make("tr", {}, cell(link(a.name || a.op, () => pickNode(a))), cell(link(b.name || b.op, () => pickNode(b)))));
    into.append(make("details", {}, make("summary", {}, `${pairs.length}: ${reason}`), table));
  }
}
