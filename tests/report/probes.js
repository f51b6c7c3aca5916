// What the tests ask of a page in the browser.
window.probes = (() => {
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;

  const textNodes = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() && !element.closest("script, style, title, .spoken, .skip") && shown(element)) found.push(element);
    }
    return [...new Set(found)];
  };

  // Any colour the style sheet may hold, as red, green, blue and opacity.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const parsed = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.push(parsed(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };

  // WCAG AA: 4.5, and 3 for text from 24 px, or 18.66 px where it is bold.
  const faintTexts = () => textNodes().flatMap((element) => {
    const style = getComputedStyle(element);
    const below = ground(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = contrast(over(parsed(colour), below), below);
    return ratio < (isLarge ? 3 : 4.5) ? [`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`] : [];
  });

  const nameOf = (element) => (element.getAttribute("aria-labelledby") ?? "").split(" ")
    .map((id) => document.getElementById(id)?.innerText ?? "").join(" ").trim();

  const charts = () => [...document.querySelectorAll("svg[role=img]")].map((svg) => {
    const frame = svg.getBoundingClientRect();
    const marks = [...svg.querySelectorAll("path, circle, rect")].filter((mark) => shown(mark) && mark.getBBox().width + mark.getBBox().height > 0);
    const strays = [...svg.querySelectorAll("text, path, circle, rect")].filter(shown).filter((mark) => {
      const box = mark.getBoundingClientRect();
      return box.left < frame.left - 12 || box.right > frame.right + 12 || box.top < frame.top - 12 || box.bottom > frame.bottom + 12;
    });
    return { name: nameOf(svg), marks: marks.length, outside: strays.map((mark) => mark.textContent || mark.tagName) };
  });

  const brokenReferences = () => {
    const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
    const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
    const named = [...document.querySelectorAll("[aria-labelledby], [aria-describedby]")]
      .flatMap((each) => `${each.getAttribute("aria-labelledby") ?? ""} ${each.getAttribute("aria-describedby") ?? ""}`.trim().split(" "));
    return [...twice, ...named.filter((id) => !document.getElementById(id))];
  };

  const unreachableDefinitions = () => [...document.querySelectorAll("a.def")].filter((term) => {
    const said = document.getElementById(term.hash.slice(1));
    return term.tabIndex < 0 || !said || !said.querySelector("dd [lang=zh-Hans]") || !said.querySelector("code");
  }).map((term) => term.textContent);

  const cutOff = (selector) => [...document.querySelectorAll(selector)].filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => `${nameOf(each)}: ${each.scrollWidth} in ${each.clientWidth}`);

  const cellsWithoutHeading = () => [...document.querySelectorAll(".list tbody td")]
    .filter((cell) => !cell.dataset.en || !cell.dataset.zh).map((cell) => cell.textContent);

  return { texts: () => textNodes().length, faintTexts, charts, brokenReferences, unreachableDefinitions, cutOff, cellsWithoutHeading };
})();
