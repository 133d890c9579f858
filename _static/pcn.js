// Reading numbers off a figure: point at it, or tap, and the nearest number drawn there is named.
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
    stage.append(dot, tip);

    function read(event) {
      points = [];
      const panels = JSON.parse(image.dataset.places);
      numbers(link, (csv) => {
        points = records(csv).map((record) => placed(record, panels)).filter(Boolean);
        show(event);
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
      if (!points) return read(event);
      const box = image.getBoundingClientRect();
      const point = nearest(event.clientX - box.left, event.clientY - box.top, box.width, box.height);
      tip.hidden = dot.hidden = !point;
      if (!point) return;
      const left = image.offsetLeft + point.left * box.width;
      const top = image.offsetTop + point.top * box.height;
      dot.style.left = `${left}px`;
      dot.style.top = `${top}px`;
      tip.textContent = words(point);
      tip.style.top = `${Math.max(0, top - tip.offsetHeight - 10)}px`;
      tip.style.left = `${Math.max(0, Math.min(left - tip.offsetWidth / 2, image.offsetLeft + box.width - tip.offsetWidth))}px`;
    }

    image.addEventListener("pointermove", show);
    image.addEventListener("pointerdown", show);
    image.addEventListener("pointerleave", () => { tip.hidden = dot.hidden = true; });
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("figure.pcn-figure").forEach(attach));
})();
