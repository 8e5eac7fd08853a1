/* The graph behind a pass: nodes in groups by the parts of their names, groups open on request. */
const OPEN_BELOW = 40;   /* groups are opened from the outside until so many boxes are there */
const CHUNK = 100;       /* more children than that are put in groups by their order */

const pathOf = name => {
  const parts = name.split(name.includes("/") ? "/" : ".").filter(p => p);
  return parts.slice(0, -1);
};
const shortName = node => node.name ? node.name.split(/[/.]/).filter(p => p).pop() : "";

/* A tree: {key, label, children} of groups and {node} of leaves, in the graph's order. */
function groupTree(g) {
  const root = { key: "", label: "", children: [], groups: new Map() };
  for (const node of g.nodes.values()) {
    if (node.op === "const" || node.block !== 1) continue;
    let at = root;
    for (const part of pathOf(node.name)) {
      if (!at.groups.has(part)) {
        const group = { key: at.key + "/" + part, label: part, children: [], groups: new Map() };
        at.groups.set(part, group);
        at.children.push(group);
      }
      at = at.groups.get(part);
    }
    at.children.push({ key: "#" + node.id, node });
  }
  return shape(root);
}

function sized(group) {
  group.size = group.children.reduce((n, c) => n + (c.children ? c.size : 1), 0);
  return group;
}

/* Groups of one child are that child; long lists become lists of lists. */
function shape(group) {
  group.children = group.children.map(c => c.children ? shape(c) : c);
  while (group.key && group.children.length === 1 && group.children[0].children) {
    group.label += "/" + group.children[0].label;
    group.children = group.children[0].children;
  }
  if (group.key && group.children.length === 1) return group.children[0];
  while (group.children.length > CHUNK * 1.2) {
    const chunks = [];
    for (let i = 0; i < group.children.length; i += CHUNK) {
      const part = group.children.slice(i, i + CHUNK);
      chunks.push(sized({ key: `${group.key}~${i}.${group.children.length}`, label: `${i + 1} to ${i + part.length}`, children: part }));
    }
    group.children = chunks;
  }
  return sized(group);
}

/* Groups that are open at first: the outermost, while there is room. */
function openAtFirst(root) {
  const open = new Set([""]);
  let shown = root.children.length;
  for (let level = [root]; level.length;) {
    const next = [];
    for (const group of level)
      for (const c of group.children) {
        if (!c.children || shown + c.children.length > OPEN_BELOW) continue;
        open.add(c.key);
        shown += c.children.length - 1;
        next.push(c);
      }
    level = next;
  }
  return open;
}

/* What is shown, and edges between what is shown. owner: node id -> box. */
function boxesOf(g, root, open) {
  const boxes = [], owner = new Map();
  const assign = (c, box) => {
    if (c.node) owner.set(c.node.id, box);
    else for (const child of c.children) assign(child, box);
  };
  const walk = (c, inside) => {
    if (c.children && open.has(c.key)) {
      for (const child of c.children) walk(child, c.key ? inside.concat([c]) : inside);
      return;
    }
    const box = { id: c.key, item: c, inside };
    boxes.push(box);
    assign(c, box);
  };
  walk(root, []);
  const edges = new Map();
  const connect = (a, b) => { if (a && b && a !== b) edges.set(a.id + "\n" + b.id, [a, b]); };
  const ends = new Map();
  const body = g.blocks[0];
  body.in.forEach(value => {
    const box = { id: "in" + value[0], end: "input", value };
    ends.set(value[0], box);
    boxes.push(box);
  });
  for (const node of g.nodes.values())
    for (const value of node.in) {
      const maker = g.makers.get(value);
      connect(ends.get(value) || (maker && owner.get(maker.id)), owner.get(node.id));
    }
  body.out.forEach((value, k) => {
    const maker = g.makers.get(value);
    const box = { id: "out" + k, end: "output", value: maker ? maker.out.find(v => v[0] === value) : [value, "", ""] };
    boxes.push(box);
    connect(maker ? owner.get(maker.id) : ends.get(value), box);
  });
  return { boxes, edges: [...edges.values()], owner };
}

const PRODUCTS = new Set(["contract", "attention", "conv"]);

function labelsOf(box) {
  if (box.end) return [box.value[2] || box.end, box.value[1]];
  if (box.item.node) {
    const n = box.item.node;
    return [n.op + (n.from && n.from.toLowerCase() !== n.op ? " (" + n.from + ")" : ""), shortName(n)];
  }
  return [box.item.label, `${box.item.size} nodes`];
}
const cut = text => text.length > 30 ? text.slice(0, 29) + "…" : text;

/* Draws into an element; pick(box) when a box is chosen, toggle(key) when a group is to open. */
function drawGraph(into, shown, picked, pick, toggle) {
  const layout = new dagre.graphlib.Graph();
  layout.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 28, marginx: 8, marginy: 8, ranker: shown.boxes.length > 150 ? "longest-path" : "network-simplex" });
  layout.setDefaultEdgeLabel(() => ({}));
  for (const box of shown.boxes) {
    box.labels = labelsOf(box).map(cut);
    layout.setNode(box.id, { width: 24 + 7.2 * Math.max(...box.labels.map(t => t.length)), height: 40 });
  }
  for (const [a, b] of shown.edges) layout.setEdge(a.id, b.id);
  dagre.layout(layout);
  const size = layout.graph();
  const svg = make("svg", { width: size.width || 10, height: size.height || 10, role: "group", "aria-label": "Graph" });
  for (const [a, b] of shown.edges) {
    const points = layout.edge(a.id, b.id).points;
    svg.append(make("path", { class: "edge", d: "M" + points.map(p => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("L") }));
  }
  for (const box of shown.boxes) svg.append(drawBox(box, layout.node(box.id), picked, pick, toggle));
  into.replaceChildren(svg);
}

function drawBox(box, place, picked, pick, toggle) {
  const group = box.item && box.item.children;
  const kind = group ? " group" : box.end ? " end" : PRODUCTS.has(box.item.node.op) ? " product" : "";
  const x = place.x - place.width / 2, y = place.y - place.height / 2;
  const act = event => { event.preventDefault(); group ? toggle(box.item.key) : pick(box); };
  return make("g", {
    class: "node" + kind + (picked === box.id ? " picked" : ""), tabindex: 0, role: "button", "data-id": box.id,
    "aria-label": (group ? "group " : "") + box.labels.join(", "), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    click: act, keydown: event => { if (event.key === "Enter" || event.key === " ") act(event); },
  },
  make("title", {}, labelsOf(box).join("\n")),
  make("rect", { width: place.width, height: place.height, rx: 6 }),
  make("text", { x: 10, y: 17 }, (group ? "▸ " : "") + box.labels[0]),
  make("text", { x: 10, y: 32, class: "soft" }, box.labels[1]));
}
