"use strict";
(() => {
  const layers = JSON.parse(document.getElementById("layers").textContent);
  const cfg = [...document.querySelectorAll(".cfg span")];
  const body = document.querySelector("#arrays tbody");
  const heads = [...document.querySelectorAll("#arrays th[data-sort]")];
  const detail = document.getElementById("detail");

  // The first rows stand in the page; the others are made when they are shown. A row is its number.
  // They are read once the page is open: those of the largest network take a tenth of a second.
  const once = (make) => {
    let made;
    return () => (made ??= make());
  };
  const rows = [...body.rows];
  const first = rows.length;
  const more = once(() => JSON.parse(document.getElementById("more").textContent));
  const columns = heads.map((head) => head.dataset.sort);
  const all = [...Array(Number(body.dataset.rows)).keys()];
  const content = (i, name) =>
    i < first ? cell(rows[i], name) : more()[i - first][columns.indexOf(name)];
  const layerOfRow = (i) => Number(i < first ? rows[i].dataset.layer : more()[i - first][0]);
  const ofLayer = once(() => {
    const found = new Map();
    for (const i of all) {
      const layer = layerOfRow(i);
      if (!found.has(layer)) found.set(layer, []);
      found.get(layer).push(i);
    }
    return found;
  });
  window.requestIdleCallback?.(ofLayer); // else when they are first asked for
  const rowOf = (i) => {
    if (!rows[i]) {
      const row = rows[0].cloneNode(true);
      row.removeAttribute("id");
      row.removeAttribute("aria-current");
      row.dataset.layer = layerOfRow(i);
      const cells = more()[i - first];
      const path = cells.at(-1);
      columns.forEach((name, c) => (row.cells[c].textContent = cells[c]));
      row.cells[columns.length].replaceChildren(...(path ? [histogram(path)] : []));
      rows[i] = row;
    }
    return rows[i];
  };
  const SVG = "http://www.w3.org/2000/svg";
  const histogram = (path) => {
    const [picture, bars] = ["svg", "path"].map((name) => document.createElementNS(SVG, name));
    picture.setAttribute("viewBox", body.dataset.box);
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("aria-hidden", "true");
    bars.setAttribute("class", "bars");
    bars.setAttribute("d", path);
    picture.append(bars);
    return picture;
  };

  // One layer is shown: the one last pointed at or focused, until a click or tap holds one.
  let shown = null;
  let held = null;

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const cell = (row, name) => row.querySelector(`[data-c=${name}]`).textContent;

  const section = (index) => {
    const lines = cfg[index + 1].textContent.split("\n"); // [net] is the first
    while (lines.length && !/^[^#;]/.test(lines[lines.length - 1].trim())) lines.pop();
    return lines.join("\n");
  };

  const facts = (index) => {
    const layer = layers[index];
    const name = (source) => (source < 0 ? "the picture" : `layer ${source}`);
    const found = [
      ["cfg", `line ${layer.line}`],
      ["module", layer.module || "–"],
      ["reads", layer.sources.map((s, i) => `${name(s)} (${layer.inputs[i]})`).join(", ")],
      ["output", layer.output],
      ["weights", layer.state === "without weights" ? "none" : layer.state],
    ];
    if (layer.bytes) {
      const [first, last] = [layer.bytes[0], layer.bytes[1] - 1].map((byte) => byte.toLocaleString("en"));
      found.push(["bytes", `${first}–${last}`]);
    }
    if (layer.error) found.push(["error", `${layer.error[0]} absolute, ${layer.error[1]} relative`]);
    return element("dl", {}, ...found.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
  };

  const array = (row) => {
    const block = element(
      "div",
      { class: "array" },
      element("h3", {}, cell(row, "kind")),
      element("p", { class: "code" }, cell(row, "tensor")),
      element("p", {}, `shape ${cell(row, "shape")}, bytes ${cell(row, "bytes")}`),
    );
    const picture = row.querySelector("svg");
    if (picture) {
      block.append(
        picture.cloneNode(true),
        element(
          "p",
          { class: "ends" },
          element("span", {}, cell(row, "min")),
          element("span", {}, `mean ${cell(row, "mean")}, std ${cell(row, "std")}`),
          element("span", {}, cell(row, "max")),
        ),
      );
    }
    return block;
  };

  const show = (index) => {
    if (index === shown) return;
    for (const old of document.querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
    for (const old of document.querySelectorAll(".lit")) old.classList.remove("lit");
    shown = index;
    detail.classList.toggle("empty", index === null);
    const layer = layers[index];
    detail.querySelector("h2").textContent = layer ? `Layer ${index} · ${layer.type}` : "Layer";
    const place = detail.querySelector(".body");
    if (!layer) {
      place.replaceChildren(element("p", { class: "muted" }, detail.dataset.hint));
      return;
    }
    place.replaceChildren(
      facts(index),
      element("pre", {}, section(index)),
      ...(ofLayer().get(index) ?? []).map((i) => array(rowOf(i))),
    );
    for (const item of document.querySelectorAll(`[data-layer="${index}"]`)) item.setAttribute("aria-current", "true");
    for (const wire of document.querySelectorAll(`[data-to="${index}"], [data-from="${index}"]`)) wire.classList.add("lit");
    slide(index);
  };

  detail.querySelector(".body p").textContent = detail.dataset.hint;

  const hold = (index) => {
    held = index;
    if (index !== null) show(index);
    detail.querySelector(".button").hidden = index === null;
  };
  const release = () => {
    hold(null);
    show(null);
  };
  const layerOf = (target) => {
    const item = target instanceof Element ? target.closest("[data-layer]") : null;
    return item ? Number(item.dataset.layer) : null;
  };
  document.addEventListener("pointerover", (event) => {
    const index = layerOf(event.target);
    if (index !== null && held === null && event.pointerType === "mouse") show(index);
  });
  document.addEventListener("focusin", (event) => {
    const index = layerOf(event.target);
    if (index !== null && held === null) show(index);
  });
  document.addEventListener("click", (event) => {
    const index = layerOf(event.target);
    if (index === null) return;
    if (event.target.closest("a")) event.preventDefault();
    hold(index);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") release();
  });
  detail.querySelector(".button").addEventListener("click", release);

  // One tab stop for each picture; the arrow keys go from layer to layer. The listeners are on an
  // element around the svg: Chromium takes an svg with a focus listener for a tab stop.
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  const moved = (event, at, length) => {
    const step = STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return null;
    event.preventDefault();
    return Math.max(0, Math.min(length - 1, at + step));
  };
  for (const group of document.querySelectorAll("[data-roving]")) {
    const items = [...group.querySelectorAll("a[data-layer]")];
    items.forEach((item, i) => item.setAttribute("tabindex", i ? -1 : 0));
    group.addEventListener("keydown", (event) => {
      const at = items.indexOf(event.target.closest("a[data-layer]"));
      const to = at < 0 ? null : moved(event, at, items.length);
      if (to === null) return;
      if (held !== null) hold(null);
      items[at].setAttribute("tabindex", -1);
      items[to].setAttribute("tabindex", 0);
      items[to].focus();
    });
    group.addEventListener("focusin", (event) => {
      const item = event.target.closest("a[data-layer]");
      if (item) items.forEach((other) => other.setAttribute("tabindex", other === item ? 0 : -1));
    });
  }

  // Chromium tells a screen reader of a link in an svg when it is laid out: once the page is open,
  // a sheet a frame.
  const sheets = [...document.querySelectorAll(".sheet")];
  const layOut = () => {
    const sheet = sheets.shift();
    if (!sheet) return;
    sheet.style.contentVisibility = "visible";
    requestAnimationFrame(layOut);
  };
  window.addEventListener("load", layOut);

  // The byte map is a slider over the layers that own bytes.
  const map = document.querySelector(".map");
  const owners = [...map.querySelectorAll("[data-layer]")].map((stretch) => Number(stretch.dataset.layer));
  function slide(index) {
    const at = owners.indexOf(index);
    if (at < 0) return;
    const bytes = layers[index].bytes;
    map.setAttribute("aria-valuenow", at);
    map.setAttribute("aria-valuetext", `layer ${index} ${layers[index].type}, bytes ${bytes[0]} to ${bytes[1] - 1}`);
  }
  if (owners.length) {
    map.setAttribute("tabindex", 0);
    map.setAttribute("role", "slider");
    map.setAttribute("aria-valuemin", 0);
    map.setAttribute("aria-valuemax", owners.length - 1);
    slide(owners[0]);
  }
  map.addEventListener("keydown", (event) => {
    const to = moved(event, Number(map.getAttribute("aria-valuenow")), owners.length);
    if (to === null) return;
    hold(null);
    show(owners[to]);
  });

  // Search: a number is a layer's index, any other word a part of type, array, tensor or shape.
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const plain = (text) => text.toLowerCase().replaceAll("×", "x");
  let texts = null; // made by the first search
  let order = all;
  const list = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    if (words.length) texts ??= all.map((i) => plain(["type", "kind", "tensor", "shape"].map((name) => content(i, name)).join(" ")));
    const fits = (i) => words.every((word) => (/^\d+$/.test(word) ? layerOfRow(i) === Number(word) : texts[i].includes(word)));
    const found = order.filter(fits);
    const listed = found.slice(0, Number(body.dataset.long)).map(rowOf);
    for (const row of listed) {
      if (Number(row.dataset.layer) === shown) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    body.replaceChildren(...listed);
    const [some, total] = [found, all].map((rows) => rows.length.toLocaleString("en"));
    const part = listed.length < found.length ? `, the first ${listed.length.toLocaleString("en")} of them here` : "";
    count.textContent = `${some} of ${total} arrays${part}`;
  };
  search.addEventListener("input", list);
  document.querySelector(".tools").hidden = false;

  // Sorting: by the number a cell starts with, or by its text; what has no value stays last.
  const value = (text) => Number.parseFloat(text.replaceAll(",", "").replaceAll("−", "-"));
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const name = head.dataset.sort;
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const numeric = head.classList.contains("number");
      const keys = all.map((i) => (numeric ? value(content(i, name)) : content(i, name)));
      const compare = (a, b) => {
        const [x, y] = [keys[a], keys[b]];
        if (numeric) {
          if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
          return sign * (x - y);
        }
        return sign * (x < y ? -1 : x > y ? 1 : 0);
      };
      order = [...all].sort((a, b) => compare(a, b) || a - b);
      list();
    });
  }
})();
