"use strict";
// The list of customers: what is searched, filtered and sorted stands in the address behind #, so that a view can be sent.
addEventListener("DOMContentLoaded", () => {
  const { columns, words, rows } = window.valuemart;
  const at = Object.fromEntries(columns.map((name, place) => [name, place]));
  const form = document.getElementById("find");
  const table = document.getElementById("customers");
  const [head, body] = [[...table.tHead.rows[0].cells], table.tBodies[0]];
  const more = document.getElementById("more");
  const fields = ["company", "tier", "salesperson", "territory"].filter((name) => form.elements[name]);
  const STEP = 100;
  const FIRST = "-net_sales";
  let state = { sort: FIRST };
  let shown = STEP;
  let hits = [];

  // Without accents and case: wurzburg finds Würzburg; a number is found without its zeros, too.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const haystacks = rows.map((row) => plain(`${row[at.name]} ${row[at.id]}`));
  const number = (text) => Number(text.replaceAll(",", "").replace("−", "-"));
  const collator = new Intl.Collator("zh-Hans-u-kn");
  const isNumber = (key) => head.some((cell) => cell.dataset.key === key && cell.classList.contains("n"));
  const language = () => (document.documentElement.lang === "en" ? 0 : 1);
  const said = (group, code) => words[group]?.[code] ?? [code, code];
  // A code sorts in the order of its words, which is that of their rank; a name by the alphabet.
  const orders = Object.fromEntries(Object.entries(words).map(([group, codes]) => [group, Object.keys(codes)]));

  const compare = (key) => {
    const place = at[key];
    if (isNumber(key)) return (one, other) => number(one[place]) - number(other[place]);
    if (orders[key]) return (one, other) => orders[key].indexOf(one[place]) - orders[key].indexOf(other[place]);
    return (one, other) => collator.compare(one[place], other[place]);
  };

  const sorted = (found) => {
    const key = state.sort.replace("-", "");
    const sign = state.sort.startsWith("-") ? -1 : 1;
    const by = compare(key);
    const [known, unknown] = [[], []];
    found.forEach((row) => (row[at[key]] === "" ? unknown : known).push(row));
    return [...known.sort((one, other) => sign * by(one, other)), ...unknown];
  };

  const both = (parent, [english, chinese]) => {
    if (english === chinese) return parent.append(english);
    [["en", english], ["zh-Hans", chinese]].forEach(([lang, text]) => {
      parent.append(Object.assign(document.createElement("span"), { lang, textContent: text }));
    });
  };

  // Who has no page of its own is drawn by one page for all of them.
  const drawn = (row) => `customer.html?${new URLSearchParams({ company: row[at.company], customer: row[at.id] })}`;

  const cell = (row, heading) => {
    const { key } = heading.dataset;
    const value = row[at[key]];
    const made = document.createElement(key === "name" ? "th" : "td");
    if (key === "name") {
      made.scope = "row";
      made.className = "name";
      const name = Object.assign(document.createElement("a"), { href: row[at.page] || drawn(row), textContent: value });
      made.append(name);
      if (value !== row[at.id]) made.append(" ", Object.assign(document.createElement("small"), { className: "id", textContent: row[at.id] }));
      return made;
    }
    made.className = heading.className;
    made.dataset.en = heading.dataset.en;
    made.dataset.zh = heading.dataset.zh;
    if (value === "") made.append("–");
    else if (key === "tier") {
      const badge = Object.assign(document.createElement("span"), { className: `badge t-${value}` });
      both(badge, said(key, value));
      made.append(badge);
    } else both(made, said(key, value));
    return made;
  };

  const draw = (from) => {
    const drawn = hits.slice(from, shown).map((row) => {
      const line = document.createElement("tr");
      line.append(...head.map((heading) => cell(row, heading)));
      return line;
    });
    if (from) body.append(...drawn);
    else body.replaceChildren(...drawn);
    more.hidden = hits.length <= shown;
    document.getElementById("count").textContent = `${hits.length.toLocaleString("en")} / ${rows.length.toLocaleString("en")}`;
    document.getElementById("nobody").hidden = hits.length > 0;
  };

  const find = () => {
    const asked = plain(state.q ?? "").split(/\s+/).filter(Boolean);
    hits = sorted(rows.filter((row, place) => fields.every((name) => !state[name] || row[at[name]] === state[name])
      && asked.every((word) => haystacks[place].includes(word))));
    shown = STEP;
    draw(0);
    head.forEach((heading) => {
      const { key } = heading.dataset;
      if (state.sort.replace("-", "") !== key) heading.removeAttribute("aria-sort");
      else heading.setAttribute("aria-sort", state.sort.startsWith("-") ? "descending" : "ascending");
    });
  };

  const keep = () => {
    const asked = Object.entries(state).filter(([name, value]) => value && !(name === "sort" && value === FIRST));
    history.replaceState(null, "", asked.length ? `#${new URLSearchParams(asked)}` : location.pathname + location.search);
    find();
  };

  // An address that leads to a part of the page, as #definitions, is no question.
  const read = () => {
    const said = location.hash.slice(1);
    if (said && !said.includes("=")) return find();
    const asked = new URLSearchParams(said);
    const sort = asked.get("sort") ?? FIRST;
    state = { sort: head.some((heading) => heading.dataset.key === sort.replace("-", "")) ? sort : FIRST };
    ["q", ...fields].forEach((name) => {
      state[name] = asked.get(name) ?? "";
      form.elements[name].value = state[name];
    });
    find();
  };

  // The choices are what the customers have; their words follow the page's language.
  fields.forEach((name) => {
    const codes = [...new Set(rows.map((row) => row[at[name]]))].filter(Boolean);
    codes.sort((one, other) => (orders[name] ? orders[name].indexOf(one) - orders[name].indexOf(other) : collator.compare(one, other)));
    form.elements[name].append(...codes.map((code) => Object.assign(document.createElement("option"), { value: code })));
  });
  const speak = () => form.querySelectorAll("option").forEach((option) => {
    const everybody = [form.dataset.allEn, form.dataset.allZh];
    option.textContent = (option.value ? said(option.parentElement.name, option.value) : everybody)[language()];
  });
  new MutationObserver(speak).observe(document.documentElement, { attributeFilter: ["lang"] });
  speak();

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { state = { sort: FIRST }; keep(); });
  form.addEventListener("input", () => {
    ["q", ...fields].forEach((name) => { state[name] = form.elements[name].value; });
    keep();
  });
  head.forEach((heading) => heading.querySelector("button").addEventListener("click", () => {
    const { key } = heading.dataset;
    const usual = isNumber(key) ? `-${key}` : key;
    const turned = isNumber(key) ? key : `-${key}`;
    state.sort = state.sort === usual ? turned : usual;
    keep();
  }));
  more.addEventListener("click", () => {
    shown += STEP;
    draw(shown - STEP);
  });
  addEventListener("hashchange", read);
  read();
});
