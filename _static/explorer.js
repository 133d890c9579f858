// The explorer: theory as the sliders move it, with what was measured. All numbers come with the page.
(function () {
  "use strict";

  // For K = 1 at initialisation of muPC with skips; m and turn depend on the depth alone (pcn_lib.gap.predict).
  function theory(at, given) {
    const [m, turn] = given.constants[at.depth];
    const s = 1 + (at.precision * m) / (at.gamma_0 ** 2 * at.width);
    const tan = (at.precision * turn) / (at.gamma_0 * at.width * Math.sqrt(at.alignment) * s);
    const sweeps = s < 2 ? Math.max(1, Math.ceil(Math.log(given.accuracy) / Math.log(s - 1))) : Infinity;
    const allowed = Math.sqrt(given.cosine ** -2 - 1);
    const rounds = 1 + Math.max(0, Math.ceil(Math.log(allowed / tan) / Math.log(1 - 1 / s)));
    return { s, ratio: 1 / s, tan, angle: (Math.atan(tan) * 180) / Math.PI, sweeps, rounds };
  }

  if (typeof module !== "undefined") {
    module.exports = theory;
    return;
  }

  const PANELS = [
    { name: "ratio", title: "ℱ*/(<i>λ</i>ℒ)", words: "energy over loss", top: 1, ticks: [0, 0.5, 1] },
    { name: "angle", title: "angle between the gradients", words: "angle", top: 110, ticks: [0, 30, 60, 90], unit: "°" },
    { name: "sweeps", title: "sweeps to 10<sup>−6</sup>", words: "sweeps", log: true, top: 1000, ticks: [1, 10, 100, 1000] },
    { name: "rounds", title: "multiplier rounds to cos 0.99", words: "rounds", log: true, top: 1000, ticks: [1, 10, 100, 1000] },
  ];
  const BOX = { left: 44, right: 332, top: 10, bottom: 172 };
  const FIXED = ["gamma_0", "precision"];
  const same = (a, b) => Math.abs(a - b) <= 1e-5 * Math.abs(b);

  function short(value) {
    if (!isFinite(value)) return "never";
    return (Number.isInteger(value) ? String(value) : String(+value.toPrecision(4))).replace("-", "−");
  }

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function start(explorer) {
    const given = JSON.parse(explorer.querySelector("script").textContent);
    const [least, most] = [given.values.width[0], given.values.width.at(-1)];
    const inputs = [...explorer.querySelectorAll("input")];
    const across = (width) => BOX.left + ((BOX.right - BOX.left) * Math.log(width / least)) / Math.log(most / least);

    function up(panel, value) {
      const share = panel.log ? Math.log(value) / Math.log(panel.top) : value / panel.top;
      return BOX.bottom - (BOX.bottom - BOX.top) * Math.min(1, Math.max(0, share));
    }

    function axes(panel) {
      const marks = [...Array(6).keys()].map((k) => 2 * 4 ** k).filter((width) => width <= most);
      const lines = panel.ticks.flatMap((tick) => [
        element("line", { class: "grid", x1: BOX.left, x2: BOX.right, y1: up(panel, tick), y2: up(panel, tick) }),
        element("text", { x: BOX.left - 6, y: up(panel, tick) + 4, "text-anchor": "end" }, tick + (panel.unit || "")),
      ]);
      const below = marks.map((width) => element("text", { x: across(width), y: 188, "text-anchor": "middle" }, width));
      const paper = given.paper.width.map((width) => element("path", { class: "paper", d: `M${across(width)} ${BOX.bottom - 1}l-4 7h8z` }));
      return [...lines, ...below, ...paper, element("text", { x: (BOX.left + BOX.right) / 2, y: 206, "text-anchor": "middle" }, "width N")];
    }

    function curve(panel, at) {
      let path = "", pen = "M";
      for (let k = 0; k <= 240; k++) {
        const width = least * (most / least) ** (k / 240);
        const value = theory({ ...at, width }, given)[panel.name];
        if (isFinite(value)) path += `${pen}${across(width).toFixed(1)} ${up(panel, value).toFixed(1)}`;
        pen = isFinite(value) ? "L" : "M";
      }
      return element("path", { class: "theory", d: path });
    }

    function measured(panel, at) {
      const shown = given.points.filter((point) => point[panel.name] !== undefined && FIXED.every((name) => same(point[name], at[name])));
      return shown.sort((a, b) => (a.depth === at.depth) - (b.depth === at.depth)).map((point) => {
        const here = point.depth === at.depth;
        const dot = element("circle", { class: here ? "here" : "else", cx: across(point.width), cy: up(panel, point[panel.name]), r: here ? 4.5 : 2.5 });
        dot.append(element("title", {}, `N = ${point.width}, L = ${point.depth}: measured ${short(point[panel.name])}${panel.unit || ""}`));
        return dot;
      });
    }

    function draw(panel, at, found) {
      const value = found[panel.name];
      const svg = element("svg", { viewBox: "0 0 352 212", role: "img", "aria-label": `${panel.words} over width at L = ${at.depth}: theory ${short(value)} at N = ${at.width}` });
      const place = across(at.width);
      svg.append(...axes(panel), element("line", { class: "now", x1: place, x2: place, y1: BOX.top, y2: BOX.bottom }), curve(panel, at), ...measured(panel, at));
      if (isFinite(value)) svg.append(element("circle", { class: "now", cx: place, cy: up(panel, value), r: 5.5 }));
      else svg.append(element("text", { x: place + 6, y: BOX.top + 12 }, "sweeps diverge"));
      const figure = document.createElement("figure");
      figure.innerHTML = `<figcaption>${panel.title}</figcaption>`;
      figure.append(svg);
      return figure;
    }

    function remarks(at) {
      const said = [];
      const inside = ["width", "depth"].every((name) => given.paper[name].includes(at[name])) && FIXED.every((name) => at[name] === 1);
      if (inside) said.push("A width and depth of the paper’s Figure 1.");
      if (at.width < at.depth) said.push("N < L: outside the theory’s conditions, which gives sizes here and no digits.");
      if (at.gamma_0 ** 2 * at.width < 4) said.push("γ₀²N is small: outputs are no longer small beside the targets, as the theory assumes.");
      if (!same(at.alignment, given.toy)) said.push(`Angles were measured at q = ${short(given.toy)}.`);
      return said.join(" ");
    }

    function update() {
      const at = {};
      for (const input of inputs) {
        at[input.name] = given.values[input.name][input.value];
        const text = short(at[input.name]);
        input.previousElementSibling.querySelector("output").textContent = text;
        input.setAttribute("aria-valuetext", text);
      }
      const found = theory(at, given);
      const rows = [["<i>s</i>", short(found.s)], ...PANELS.map((panel) => [panel.title, short(found[panel.name]) + (panel.unit || "")])];
      explorer.querySelector("dl").innerHTML = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");
      explorer.querySelector("[role=status]").textContent = remarks(at);
      explorer.querySelector(".pcn-panels").replaceChildren(...PANELS.map((panel) => draw(panel, at, found)));
    }

    function go(place) {
      for (const input of inputs) input.value = given.values[input.name].findIndex((value) => same(value, place[input.name]));
      update();
    }

    inputs.forEach((input) => input.addEventListener("input", update));
    explorer.querySelectorAll("[data-place]").forEach((button) => button.addEventListener("click", () => go(given.places[button.dataset.place])));
    explorer.hidden = false;
    go(Object.values(given.places)[0]);
  }

  document.querySelectorAll(".pcn-explorer").forEach(start);
})();
