/* Tabs, the search, the details of what is picked, and the way from one view to another. */
const view = document.getElementById("view"), side = document.getElementById("side");
const state = { tab: COMPILATION ? "Graph" : "Kernels", pass: lastPass, picked: null, open: new Map(), trees: new Map() };

const TABS = {
  Graph: COMPILATION && graphView,
  Kernels: () => kernelsView(view, state.picked, showKernel),
  Memory: PROGRAM && (() => memoryView(view, showStep)),
  Weights: PROGRAM && (() => weightsView(view, showStep)),
  Decisions: COMPILATION && (() => decisionsView(view, pass => { state.pass = pass; openTab("Graph"); }, node => reveal(lastPass, node))),
};

function openTab(name) {
  state.tab = name;
  for (const button of document.getElementById("tabs").children) {
    button.setAttribute("aria-selected", button.textContent === name);
    button.tabIndex = button.textContent === name ? 0 : -1;
  }
  view.replaceChildren();
  view.setAttribute("aria-label", name);
  TABS[name]();
}

/* ---- the graph ---- */

function treeOf(pass) {
  if (!state.trees.has(pass)) {
    const root = groupTree(graphAfter(pass));
    state.trees.set(pass, root);
    state.open.set(pass, openAtFirst(root));
  }
  return state.trees.get(pass);
}

function graphView() {
  const root = treeOf(state.pass), open = state.open.get(state.pass), g = graphAfter(state.pass);
  const choose = make("select", { "aria-label": "Graph behind this pass", change: e => { state.pass = +e.target.value; openTab("Graph"); } });
  COMPILATION.passes.forEach((p, k) => { if (p.run) choose.append(make("option", { value: k }, `${k ? "after " : ""}${p.name} (${graphAfter(k).nodes.size} nodes)`)); });
  choose.value = state.pass;
  const bar = make("div", { class: "row" }, make("label", {}, "Graph ", choose), make("button", { type: "button", click: () => { state.open.set(state.pass, openAtFirst(root)); openTab("Graph"); } }, "as at first"));
  const shown = boxesOf(g, root, open);
  const groups = new Set();
  for (const box of shown.boxes) for (const c of box.inside || []) groups.add(c);
  for (const c of [...groups].slice(0, 24))
    bar.append(make("button", { class: "chip", type: "button", "aria-label": "close group " + c.key, click: () => { for (const key of [...open]) if (key === c.key || key.startsWith(c.key + "/") || key.startsWith(c.key + "~")) open.delete(key); openTab("Graph"); } }, "▾ " + c.key.slice(1)));
  const canvas = make("div", { style: "overflow:auto" });
  view.replaceChildren(bar, canvas);
  drawGraph(canvas, shown, state.picked, box => box.end ? showEnd(box) : showNode(box.item.node), key => { open.add(key); openTab("Graph"); });
  const picked = canvas.querySelector(".picked");
  if (picked) picked.scrollIntoView({ block: "center", inline: "center" });
}

/* Opens the groups around a node of the graph behind a pass, and picks it. */
function reveal(pass, node) {
  const root = treeOf(pass), open = state.open.get(pass);
  const walk = c => {
    if (c.node) return c.node.id === node.id;
    if (!c.children.some(walk)) return false;
    open.add(c.key);
    return true;
  };
  walk(root);
  state.pass = pass;
  state.picked = "#" + node.id;
  if (TABS.Graph) openTab("Graph");
  showNode(node);
}

function revealName(name, op) {
  const g = graphAfter(0);
  const node = name ? g.names.get(name) : [...g.nodes.values()].find(n => n.from === op);
  if (node) reveal(0, node);
}

/* ---- details ---- */

function typeText(type) {
  const at = typeAtSizes(type);
  return at ? `${type} = ${at}` : type;
}
const heading = text => make("h3", {}, text);
function list(items) {
  return make("ul", { class: "plain" }, ...items.slice(0, 60).map(i => make("li", {}, i)), items.length > 60 ? make("li", { class: "soft" }, `and ${items.length - 60} more`) : null);
}

function markPicked(id) {
  state.picked = id;
  for (const e of view.querySelectorAll(".node")) e.classList.toggle("picked", e.dataset.id === id);
}

function showEnd(box) {
  markPicked(box.id);
  side.replaceChildren(make("h2", {}, `${box.end} ${box.value[2]}`), make("pre", {}, typeText(box.value[1])));
}

function showNode(node) {
  const pass = state.pass, g = graphAfter(pass);
  markPicked("#" + node.id);
  const parts = [make("h2", {}, node.name || node.op), make("p", { class: "soft" }, `${node.op}${node.from ? ", from " + node.from : ""}; ${pass ? "after " : ""}${COMPILATION.passes[pass].name}`)];
  const origins = originsOf(node);
  if (pass && origins.length) parts.push(heading("Nodes of the model in it"), list(origins.map(([name, op]) => link(`${name || "(no name)"} (${op})`, () => revealName(name, op)))));
  parts.push(heading("Takes"), list(node.in.map(v => {
    const maker = g.makers.get(v), value = maker ? maker.out.find(o => o[0] === v) : g.blocks.flatMap(b => b.in).find(o => o[0] === v);
    const text = value ? `${value[2] || "%" + v}: ${typeText(value[1])}` : "nothing";
    return maker && maker.op !== "const" ? link(text, () => reveal(pass, maker)) : text;
  })));
  parts.push(heading("Gives"), list(node.out.flatMap(value => [`${value[2] || "%" + value[0]}: ${typeText(value[1])}`,
    ...(g.users.get(value[0]) || []).map(u => make("span", {}, "to ", link(u.name || u.op, () => reveal(pass, u))))])));
  const steps = pass === lastPass ? stepsOf(node) : [];
  if (steps.length) parts.push(heading("Runs as"), list(steps.map(s => link(`step ${s.number}: ${s.kind} ${s.kernel === undefined ? s.function || "" : PROGRAM.kernels[s.kernel].name}`, () => showStep(s)))));
  if (pass < lastPass) {
    const later = [...graphAfter(lastPass).nodes.values()].filter(n => originsOf(n).some(([name, op]) => name === node.name && op === node.from));
    if (later.length) parts.push(heading("Ends up in"), list(later.map(n => link(n.name || n.op, () => reveal(lastPass, n)))));
  }
  const apart = pass === lastPass ? COMPILATION.unfused.filter(u => u[0] === node.id || u[1] === node.id) : [];
  if (apart.length) parts.push(heading("Not fused"), list(apart.map(([a, b, reason]) => {
    const other = g.nodes.get(a === node.id ? b : a);
    return make("span", {}, a === node.id ? "into " : "with ", link(other.name || other.op, () => reveal(pass, other)), ": " + reason);
  })));
  if (node.attrs) parts.push(heading("As text"), make("pre", {}, `${node.op}(…)${node.attrs}`));
  side.replaceChildren(...parts);
}

function showStep(step) {
  const parts = [make("h2", {}, `step ${step.number}: ${step.kind}`), make("p", {}, step.node ? `${step.node} (${step.op})` : "")];
  if (step.kernel !== undefined) parts.push(list([link("kernel " + PROGRAM.kernels[step.kernel].name, () => showKernel(kernelLines().find(l => l.number === step.kernel)))]));
  parts.push(heading("Nodes of the model"), list(originsOf(step).map(([name, op]) => link(`${name || "(no name)"} (${op})`, () => revealName(name, op)))));
  const node = COMPILATION && [...graphAfter(lastPass).nodes.values()].find(n => stepsOf(n).includes(step));
  if (node) parts.push(heading("Node of the graph"), list([link(node.name || node.op, () => reveal(lastPass, node))]));
  const slots = slotValues();
  const buffer = b => { const x = PROGRAM.buffers[b]; return `b${b}: ${x.kind}${x.weight !== undefined ? " " + bytesText(PROGRAM.weights[x.weight].bytes) : " " + bytesText(slots[x.slot])}`; };
  parts.push(heading("Reads"), list(step.reads.map(buffer)), heading("Writes"), list(step.writes.map(buffer)));
  side.replaceChildren(...parts);
}

function showKernel(line) {
  state.picked = line.name;
  const parts = [make("h2", {}, line.name)];
  if (line.time) parts.push(make("p", {}, `${fixed(line.time.ms, 4)} ms a run, ${(100 * line.time.share).toFixed(1)} %; ${rateOf(line.time)}`));
  if (line.steps.length) parts.push(heading("Steps"), list(line.steps.map(s => link(`${s.number}: ${s.node || s.kind}`, () => showStep(s)))));
  parts.push(heading("Nodes of the model"), list(nodesOfLine(line).map(([name, op]) => COMPILATION ? link(`${name || "(no name)"} (${op})`, () => revealName(name, op)) : `${name} (${op})`)));
  if (line.kernel) {
    parts.push(heading("Nest"), make("pre", {}, line.kernel.nest));
    const code = assembly.get(line.name);
    if (code) parts.push(heading(`Assembly, ${DATA.target}`), make("pre", { class: "code", tabindex: 0, "aria-label": "Assembly" }, code));
  }
  side.replaceChildren(...parts);
}

/* ---- search ---- */

function search(word) {
  const want = word.trim().toLowerCase();
  if (!want) return;
  const found = [];
  if (COMPILATION)
    for (const pass of new Set([state.pass, 0, lastPass]))
      for (const node of graphAfter(pass).nodes.values())
        if (found.length < 60 && node.op !== "const" && `${node.name} ${node.from} ${node.op}`.toLowerCase().includes(want))
          found.push(link(`${COMPILATION.passes[pass].name}: ${node.name || "(no name)"} (${node.op})`, () => reveal(pass, node)));
  for (const line of kernelLines()) if (line.name.toLowerCase().includes(want)) found.push(link("kernel " + line.name, () => showKernel(line)));
  side.replaceChildren(make("h2", {}, `${found.length >= 60 ? "60 or more" : found.length} found`), list(found));
}

/* ---- start ---- */

document.getElementById("title").textContent = COMPILATION ? COMPILATION.model || "model" : "library";
document.getElementById("subtitle").textContent = `${DATA.path}; lathe ${DATA.version}; ${DATA.target}`;
document.title = "lathe: " + DATA.path;
const find = document.getElementById("find");
find.addEventListener("input", () => search(find.value));
document.addEventListener("keydown", event => {
  if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) { event.preventDefault(); find.focus(); }
});
for (const [name, value] of sizes)
  document.getElementById("sizes").append(make("label", {}, name + " ", make("input", { class: "size", type: "number", min: 0, value, "aria-label": "size " + name,
    change: event => { sizes.set(name, Number(event.target.value)); openTab(state.tab); } })));
const tabs = document.getElementById("tabs"), names = Object.keys(TABS).filter(n => TABS[n]);
for (const name of names)
  tabs.append(make("button", { role: "tab", type: "button", click: () => openTab(name), keydown: event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(name) + step + names.length) % names.length];
    openTab(next);
    tabs.children[names.indexOf(next)].focus();
  } }, name));
side.replaceChildren(make("p", { class: "soft" }, "Pick a box, a kernel or a buffer: what it is made of, and where it went, stands here."));

/* "#Kernels", "#Kernels:gemm_3", "#Graph:/encoder/MatMul": an address for what is looked at. */
function follow(address) {
  const [, tab, name] = /^([A-Z][a-z]*)(?::(.*))?$/.exec(decodeURIComponent(address)) || [];
  openTab(names.includes(tab) ? tab : state.tab);
  if (!name) return;
  const line = kernelLines().find(l => l.name === name);
  const node = COMPILATION && graphAfter(lastPass).names.get(name);
  if (line) showKernel(line);
  else if (node) reveal(lastPass, node);
  else if (COMPILATION) revealName(name);
}
follow(location.hash.slice(1));
