// The page is whole without this: it opens what a link leads into where the browser does not, and filters the tests.
(() => {
  const open = (element) => {
    for (let around = element; around; around = around.parentElement) if (around.tagName === "DETAILS") around.open = true;
  };
  const jump = () => {
    let id = location.hash.slice(1);
    if (!document.getElementById(id)) try { id = decodeURIComponent(id); } catch { return; }
    const target = id && document.getElementById(id);
    if (target) { open(target); target.scrollIntoView(); }
  };
  addEventListener("hashchange", jump);
  jump();

  const filter = document.getElementById("filter"), found = document.getElementById("found");
  if (!filter) return;
  const tests = [...document.querySelectorAll("[data-test]")].map((element) => [element, element.dataset.test.toLowerCase()]);
  const groups = [...document.querySelectorAll("[data-group]")];
  filter.parentElement.hidden = false;
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [element, id] of tests) {
      element.hidden = !words.every((word) => id.includes(word));
      if (!element.hidden) shown++;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector("[data-test]:not([hidden])");
      if (group.tagName === "DETAILS" && words.length && !group.hidden) group.open = true;
    }
    found.textContent = words.length ? `${shown.toLocaleString("en")} of ${tests.length.toLocaleString("en")}` : "";
  });
})();
