/* The data, and what is computed from it: the graph behind each pass, sizes, bytes. */
const DATA = JSON.parse(document.getElementById("data").textContent);
const COMPILATION = DATA.compilation;
const PROGRAM = COMPILATION && COMPILATION.program;
const PROFILE = DATA.times && DATA.times.profile;

/* ---- graphs: a pass says what it changed; they are played up to the one that is asked for ---- */
const graphs = [];
function graphAfter(pass) {
  for (let k = graphs.length; k <= pass; k++) {
    const nodes = new Map(k ? graphs[k - 1].nodes : []);
    const step = COMPILATION.passes[k];
    for (const id of step.gone) nodes.delete(id);
    for (const node of step.nodes) nodes.set(node.id, node);
    graphs.push({ nodes, blocks: step.blocks, makers: null });
  }
  const g = graphs[pass];
  if (!g.makers) {
    g.makers = new Map();
    g.names = new Map();
    for (const node of g.nodes.values()) {
      for (const value of node.out) g.makers.set(value[0], node);
      if (node.name && !g.names.has(node.name)) g.names.set(node.name, node);
    }
    g.users = new Map();
    for (const node of g.nodes.values())
      for (const value of node.in) {
        if (!g.users.has(value)) g.users.set(value, []);
        g.users.get(value).push(node);
      }
  }
  return g;
}
const lastPass = COMPILATION ? COMPILATION.passes.length - 1 : 0;

/* The nodes of the model that a node or a step stands for, as [name, operator]. */
function originsOf(thing) {
  if (thing.origins) return thing.origins;
  const name = thing.node !== undefined ? thing.node : thing.name;
  const op = thing.node !== undefined ? thing.op : thing.from;
  return name || op ? [[name, op]] : [];
}

/* The steps of the program that a node of the last graph became: those with the same name. */
const stepsByName = new Map();
if (PROGRAM)
  PROGRAM.steps.forEach((step, number) => {
    step.number = number;
    const key = (step.node || "") + "\n" + (step.op || "");
    if (!stepsByName.has(key)) stepsByName.set(key, []);
    stepsByName.get(key).push(step);
  });
const stepsOf = node => stepsByName.get(node.name + "\n" + node.from) || [];

/* ---- sizes: what the user gives, and dims as text at these sizes ---- */
const sizes = new Map();
if (PROGRAM)
  for (const symbol of PROGRAM.symbols) {
    if (!symbol.free) continue;
    const known = DATA.times ? DATA.times.sizes[symbol.name] : -1;
    sizes.set(symbol.name, known >= 0 ? known : Math.max(1, symbol.least));
  }

function tokens(text) {
  return text.match(/"(?:[^"\\]|\\.)*"|[A-Za-z_.$][\w.$]*|\d+|[-+*(),]/g) || [];
}

/* sum := product (('+'|'-') product)*, product := atom ('*' atom)*; NaN where a name is no size. */
function evaluate(text) {
  const list = tokens(text);
  let at = 0;
  const functions = {
    floordiv: (a, b) => Math.floor(a / b), mod: (a, b) => a - Math.floor(a / b) * b,
    min: Math.min, max: Math.max, eq: (a, b) => +(a === b), lt: (a, b) => +(a < b),
  };
  function atom() {
    const t = list[at++];
    if (t === "-") return -atom();
    if (t === "(") { const v = sum(); at++; return v; }
    if (/^\d/.test(t)) return Number(t);
    if (list[at] === "(" && functions[t]) {
      at++;
      const a = sum(); at++;
      const b = sum(); at++;
      return functions[t](a, b);
    }
    const name = t && t[0] === '"' ? JSON.parse(t) : t;
    return sizes.has(name) ? sizes.get(name) : NaN;
  }
  function product() { let v = atom(); while (list[at] === "*") { at++; v *= atom(); } return v; }
  function sum() {
    let v = product();
    while (list[at] === "+" || list[at] === "-") v = list[at++] === "+" ? v + product() : v - product();
    return v;
  }
  return list.length ? sum() : NaN;
}

/* "f32[batch, 12]" -> "f32[1, 12]"; null: nothing is open in it. */
function typeAtSizes(type) {
  const open = type.indexOf("[");
  const inside = type.slice(open + 1, -1);
  if (open < 0 || !/[A-Za-z_]/.test(inside)) return null;
  const parts = [];
  let depth = 0, start = 0, quoted = false;
  for (let i = 0; i <= inside.length; i++) {
    const c = inside[i];
    if (c === '"') quoted = !quoted;
    if (!quoted && c === "(") depth++;
    if (!quoted && c === ")") depth--;
    if (i < inside.length && (c !== "," || depth || quoted)) continue;
    parts.push(inside.slice(start, i).trim());
    start = i + 1;
  }
  return type.slice(0, open) + "[" + parts.map(p => { const v = evaluate(p); return isNaN(v) ? "?" : v; }).join(", ") + "]";
}

/* Slots of the dim program at these sizes; NaN: only the data tells. */
function slotValues() {
  const v = [];
  for (const [op, a, b] of PROGRAM.slots) {
    const x = v[a], y = v[b];
    if (typeof op === "number") v.push(op);
    else if (op === "sym") v.push(sizes.has(PROGRAM.symbols[a].name) ? sizes.get(PROGRAM.symbols[a].name) : NaN);
    else if (op === "capacity") v.push(x);
    else if (isNaN(x) || isNaN(y)) v.push(NaN);
    else v.push({ add: x + y, mul: x * y, floordiv: Math.floor(x / y), mod: x - Math.floor(x / y) * y,
                  min: Math.min(x, y), max: Math.max(x, y), eq: +(x === y), lt: +(x < y) }[op]);
  }
  return v;
}

/* ---- assembly by kernel ---- */
const assembly = new Map();
{
  let name = null, lines = [];
  for (const line of COMPILATION ? COMPILATION.assembly.split("\n") : []) {
    const label = /^([A-Za-z_]\w*):/.exec(line);
    if (label) { name = label[1]; lines = []; }
    if (name) lines.push(line);
    if (name && line.startsWith(".Lfunc_end")) { assembly.set(name, lines.join("\n")); name = null; }
  }
}

/* ---- numbers as people read them ---- */
function bytesText(n) {
  if (n === null || n === undefined || isNaN(n)) return "not known";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let k = 0;
  while (n >= 1000 && k < 4) { n /= 1000; k++; }
  return (k ? n.toPrecision(3) : n) + " " + units[k];
}
const fixed = (x, digits) => x === undefined || x === null || isNaN(x) ? "" : x.toPrecision(digits);

/* Elements. make("td", {class: "number"}, "text", child, ...) */
function make(tag, attributes, ...children) {
  const svg = ["svg", "g", "rect", "text", "path", "line", "circle", "title"].includes(tag);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") e.addEventListener(key, value);
    else if (value !== undefined && value !== null) e.setAttribute(key, value);
  }
  e.append(...children.filter(c => c !== null && c !== undefined));
  return e;
}
const link = (text, action) => make("button", { class: "link", type: "button", click: action }, text);
