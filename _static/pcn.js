// Reading numbers off a figure: point at it, or tap, and the nearest number drawn there is named; or let the arrow
// keys lead from number to number.
// Everything comes from the figure itself: its data file, and where its panels lie. Without this script, or on
// paper, the drawing stands as it is.
(function () {
  "use strict";

  const REACH = 28; // CSS pixels from a number within which it is named

  function records(csv) {
    const lines = csv.split("\n").filter((line) => line && !line.startsWith("#"));
    return lines.slice(1).map((line) => {
      const cells = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g).map((cell) => cell.replace(/,$/, ""));
      const text = cells[1].replace(/^"|"$/g, "").replace(/""/g, '"');
      return { panel: +cells[0] - 1, series: text, kind: cells[2], x: +cells[3], y: +cells[4], value: cells[5] };
    });
  }

  function along([from, to, scale], number) {
    const place = scale === "log" ? Math.log : (n) => n;
    return (place(number) - place(from)) / (place(to) - place(from));
  }

  function placed(record, panels) {
    const panel = panels[record.panel];
    if (!panel) return null;
    const across = along(panel.x, record.x);
    const up = along(panel.y, record.y);
    const seen = [across, up].every((share) => share >= -0.001 && share <= 1.001);
    const [left, top, width, height] = panel.box;
    return seen ? { ...record, left: left + across * width, top: top + (1 - up) * height } : null;
  }

  function short(number) {
    if (number === "" || !isFinite(number)) return String(number);
    const size = Math.abs(number);
    const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? (+number).toExponential(3) : String(+(+number).toPrecision(4));
    return text.replace("-", "−").replace("-", "−");
  }

  function words(point) {
    const edge = { least: " (least)", greatest: " (greatest)", theory: " (theory)" }[point.kind] || "";
    const numbers = point.kind === "cell" ? `${short(point.value)} at (${short(point.x)}, ${short(point.y)})`
      : `(${short(point.x)}, ${short(point.y)})`;
    return point.series ? `${point.series}${edge}: ${numbers}` : numbers + edge;
  }

  // A figure's numbers: from its link, or from a script beside the file that it leads to, since no page opened from
  // a disk may read a file.
  const waiting = {};
  window.pcnNumbers = (name, csv) => waiting[name](csv);

  function numbers(link, then) {
    if (link.href.startsWith("data:")) {
      then(new TextDecoder().decode(Uint8Array.from(atob(link.href.split(",")[1]), (c) => c.charCodeAt(0))));
      return;
    }
    waiting[link.href.split("/").pop()] = then;
    const script = document.createElement("script");
    script.src = `${link.href}.js`;
    document.head.append(script);
  }

  function attach(figure) {
    const image = figure.querySelector("img[data-places]");
    const link = figure.querySelector('a[download$=".csv"]');
    if (!image || !link) return;
    let points = null; // asked for when first pointed at
    const stage = image.parentElement;
    stage.style.position = "relative";
    const tip = document.createElement("div");
    const dot = document.createElement("div");
    tip.className = "pcn-tip";
    dot.className = "pcn-dot";
    tip.hidden = dot.hidden = true;
    tip.setAttribute("role", "status");
    stage.setAttribute("aria-label", "Figure: arrow keys lead from number to number");
    stage.append(dot, tip);

    function read(then) {
      points = [];
      const panels = JSON.parse(image.dataset.places);
      numbers(link, (csv) => {
        points = records(csv).map((record) => placed(record, panels)).filter(Boolean);
        then();
      });
    }

    function nearest(x, y, width, height) {
      let best = null;
      for (const point of points) {
        const reach = point.kind === "cell" ? REACH * 3 : REACH;
        const distance = Math.hypot(point.left * width - x, point.top * height - y);
        if (distance <= reach && (!best || distance < best.distance)) best = { point, distance };
      }
      return best && best.point;
    }

    function show(event) {
      if (!points) return read(() => show(event));
      const box = image.getBoundingClientRect();
      name(nearest(event.clientX - box.left, event.clientY - box.top, box.width, box.height));
    }

    function name(point) {
      tip.hidden = dot.hidden = !point;
      if (!point) return;
      const box = image.getBoundingClientRect();
      const left = image.offsetLeft + point.left * box.width;
      const top = image.offsetTop + point.top * box.height;
      dot.style.left = `${left}px`;
      dot.style.top = `${top}px`;
      tip.textContent = words(point);
      tip.style.top = `${Math.max(0, top - tip.offsetHeight - 10)}px`;
      tip.style.left = `${Math.max(0, Math.min(left - tip.offsetWidth / 2, image.offsetLeft + box.width - tip.offsetWidth))}px`;
    }

    // Left and right along a line, up and down from line to line.
    let at = -1;
    const line = (point) => `${point.panel} ${point.kind} ${point.series}`;

    function step(event) {
      const forward = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") name(null);
      if (!forward) return;
      event.preventDefault();
      if (!points) return read(() => step(event));
      if (!points.length) return; // being read
      const from = points[at];
      do at += forward; while (event.key.match(/Up|Down/) && from && points[at] && line(points[at]) === line(from));
      at = Math.max(0, Math.min(at, points.length - 1));
      name(points[at]);
      dot.scrollIntoView({ block: "nearest", inline: "nearest" });
    }

    stage.addEventListener("keydown", step);
    stage.addEventListener("blur", () => name(null));
    image.addEventListener("pointermove", show);
    image.addEventListener("pointerdown", show);
    image.addEventListener("pointerleave", () => name(null));
  }

  // What is wider than the page is reached by keyboard, and shows that there is more of it.
  const WIDE = { "mjx-container[display]": "Formula", ".pst-scrollable-table-container": "Table", ".pcn-table": "Table", "figure.pcn-figure > div": "Figure", ".bd-article pre": "Code or text" };

  function reach(box, words) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    box.classList.toggle("pcn-more", wide && box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    if (!wide || box.hasAttribute("role")) return;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", words);
  }

  function watch() {
    for (const [selector, words] of Object.entries(WIDE)) {
      document.querySelectorAll(selector).forEach((box) => {
        new ResizeObserver(() => reach(box, words)).observe(box);
        box.addEventListener("scroll", () => reach(box, words), { passive: true });
      });
    }
  }

  // No line ends between a formula and the punctuation behind it.
  function bind(formula) {
    const next = formula.nextSibling;
    const marks = next?.nodeType === Node.TEXT_NODE && /^[.,;:!?)\]’”–]+(?!\w)/.exec(next.data);
    if (!marks) return;
    const whole = document.createElement("span");
    whole.className = "pcn-bound";
    formula.replaceWith(whole);
    next.data = next.data.slice(marks[0].length);
    whole.append(formula, marks[0]);
  }

  // What the theme leaves without a name, or outside of every landmark.
  function named() {
    document.querySelectorAll(".bd-sidebar-primary summary").forEach((summary) => {
      summary.setAttribute("aria-label", `Pages of ${summary.closest("li").querySelector("a").textContent.trim()}`);
    });
    document.querySelectorAll(".sidebar-primary-items__start > .sidebar-primary-item:first-child").forEach((book) => {
      book.setAttribute("role", "region");
      book.setAttribute("aria-label", "The book");
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("figure.pcn-figure").forEach(attach);
    document.querySelectorAll("span.math").forEach(bind);
    named();
  });
  // Formulae are set by then.
  window.addEventListener("load", () => (window.MathJax?.startup?.promise || Promise.resolve()).then(watch));
})();
