"use strict";
// The page of a customer without a page of its own: the script that holds it is loaded, and what it says of it drawn.
addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("customer");
  const asked = new URLSearchParams(location.search);
  const key = `${asked.get("company")}\n${asked.get("customer")}`;

  // FNV-1a in 32 bits, as the report was made with.
  const hash = new TextEncoder().encode(key).reduce((value, byte) => Math.imul(value ^ byte, 0x01000193) >>> 0, 0x811c9dc5);

  const unpacked = async (packed) => {
    const bytes = Uint8Array.from(atob(packed), (each) => each.charCodeAt(0));
    return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
  };
  const nobody = () => { document.getElementById("nobody").hidden = false; };

  const draw = async () => {
    const { customers, pieces } = await unpacked(window.valuemart);
    const found = customers[key];
    if (!found) return nobody();
    // By now it has a page of its own.
    if (typeof found === "string") return location.replace(found + location.hash);
    const [english, chinese, content] = found;
    Object.assign(document.documentElement.dataset, { titleEn: english, titleZh: chinese });
    const page = new DOMParser().parseFromString(content.map((piece) => pieces[piece]).join(""), "text/html");
    place.replaceWith(...page.body.childNodes);
    dispatchEvent(new Event("drawn"));
  };

  const script = document.createElement("script");
  script.src = `others-${hash % Number(place.dataset.scripts)}.js`;
  script.addEventListener("load", draw);
  script.addEventListener("error", nobody);
  document.head.append(script);
});
