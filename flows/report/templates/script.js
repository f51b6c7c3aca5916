"use strict";
(() => {
  const root = document.documentElement;
  const kept = (name) => { try { return localStorage.getItem("valuemart-" + name); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem("valuemart-" + name, value); } catch { /* private mode */ } };

  const speak = (language) => {
    root.lang = language;
    document.title = root.dataset[language === "en" ? "titleEn" : "titleZh"];
  };
  const asked = new URLSearchParams(location.search);
  const wanted = asked.get("lang") || kept("lang") || (navigator.language.startsWith("zh") ? "zh" : "en");
  speak(wanted.startsWith("zh") ? "zh-Hans" : "en");
  const theme = asked.get("theme") || kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("language").addEventListener("click", () => {
      speak(root.lang === "en" ? "zh-Hans" : "en");
      keep("lang", root.lang);
      hide();
    });
    document.getElementById("theme").addEventListener("click", () => {
      const isDark = getComputedStyle(root).colorScheme === "dark";
      root.dataset.theme = isDark ? "light" : "dark";
      keep("theme", root.dataset.theme);
    });

    // What is led to lies below the head of the page, which has as many lines as its sections need.
    const head = document.querySelector("header.top");
    new ResizeObserver(() => { root.style.scrollPaddingTop = head.offsetHeight + 16 + "px"; }).observe(head);

    // One company at a time, where there are several.
    const choice = document.getElementById("company");
    const show = (company) => document.querySelectorAll("[data-company]").forEach((part) => {
      part.hidden = part.dataset.company !== company;
    });
    if (choice) {
      const at = location.hash.match(/^#(c\d+)-/);
      if (at) choice.value = at[1];
      choice.addEventListener("change", () => { show(choice.value); scrollTo(0, 0); });
      show(choice.value);
    }

    // The pages of a folder share their definitions.
    if (window.valuemartDefinitions) document.querySelector("dl.glossary").innerHTML = window.valuemartDefinitions;

    // A definition beside the term that the mouse or the keyboard is on; Escape puts it away.
    const tip = document.getElementById("tip");
    let owner = null;
    const hide = () => { tip.hidden = true; owner = null; };
    const place = () => {
      const box = owner.getBoundingClientRect();
      if (box.bottom < 0 || box.top > innerHeight) return hide();
      const left = Math.min(box.left, innerWidth - tip.offsetWidth - 12);
      const below = box.bottom + 8;
      const top = below + tip.offsetHeight < innerHeight ? below : box.top - tip.offsetHeight - 8;
      tip.style.left = Math.max(12, left) + "px";
      tip.style.top = Math.max(12, top) + "px";
    };
    const tell = (term) => {
      const said = document.getElementById(term.hash.slice(1));
      if (!said) return;
      owner = term;
      tip.replaceChildren(...[...said.querySelectorAll("[data-tip]")].map((part) => part.cloneNode(true)));
      tip.hidden = false;
      place();
    };
    const term = (event) => event.target.closest?.("a.def");
    document.addEventListener("mouseover", (event) => {
      if (term(event)) tell(term(event));
      else if (owner && !event.target.closest("#tip") && document.activeElement !== owner) hide();
    });
    document.addEventListener("focusin", (event) => (term(event) ? tell(term(event)) : hide()));
    document.addEventListener("focusout", hide);
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    document.addEventListener("scroll", () => { if (owner) place(); }, { passive: true, capture: true });
    document.addEventListener("click", (event) => {
      // On a touch screen the first tap tells; the definition itself is one more tap away.
      if (term(event) && matchMedia("(hover: none)").matches) {
        event.preventDefault();
        tell(term(event));
      }
    });

    // On a phone every part but the first begins folded under its heading, so that all of them are within reach.
    const fold = (part, is) => {
      part.classList.toggle("shut", is);
      part.querySelector("h2 > .fold")?.setAttribute("aria-expanded", String(!is));
    };
    const foldAll = () => document.querySelectorAll("section.part + section.part > h2:not(:has(> .fold))").forEach((heading) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "fold";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => fold(heading.parentElement, !heading.parentElement.classList.contains("shut")));
      fold(heading.parentElement, true);
    });

    // What is led to lies open, also where a browser does not see to that itself, and where it was led to before.
    const lead = (hash) => {
      const target = document.getElementById(decodeURIComponent(hash.slice(1)));
      target?.closest("details")?.setAttribute("open", "");
      const part = target?.closest("section.part.shut");
      if (part) { fold(part, false); target.scrollIntoView(); }
    };
    addEventListener("hashchange", () => lead(location.hash));
    document.addEventListener("click", (event) => { const link = event.target.closest?.("a[href^='#']:not(.def)"); if (link) lead(link.hash); });

    const links = new Map([...document.querySelectorAll("nav.sections a")].map((link) => [link.hash.slice(1), link]));
    const seen = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => {
      if (!isIntersecting) return;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(target.id)?.setAttribute("aria-current", "true");
    }), { rootMargin: "-30% 0px -65% 0px" });

    // What the page holds by now; a customer without a page of its own is drawn later.
    const arrange = () => {
      document.querySelectorAll("a.def").forEach((term) => term.setAttribute("aria-describedby", term.hash.slice(1)));
      if (matchMedia("(max-width: 40rem)").matches) foldAll();
      // On a phone a long list begins folded; the style sheet decides how much of it that hides.
      document.querySelectorAll(".unfold").forEach((button) => {
        const table = button.previousElementSibling.querySelector("table");
        table.classList.add("folded");
        button.addEventListener("click", () => table.classList.remove("folded"));
      });
      document.querySelectorAll("section.part").forEach((part) => seen.observe(part));
      lead(location.hash);
    };
    arrange();
    addEventListener("drawn", () => {
      speak(root.lang);
      arrange();
      document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
    });
  });
})();
