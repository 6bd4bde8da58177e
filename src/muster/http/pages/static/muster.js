// Muster's pages work without this file. It only adds: theme, "/" to search, search as you type,
// live regions, and copying. What the page shows is always what the server made: a region is
// fetched whole and put in the place of the old one.
const all = (sel, from = document) => [...from.querySelectorAll(sel)];
const root = document.documentElement;

// Fetches `url` and replaces the elements with those ids by what the answer holds of them.
const renew = async (url, ids, options = {}) => {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, ...options });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  ids.forEach((id) => {
    const [now, then] = [document.getElementById(id), page.getElementById(id)];
    if (now && then && !now.contains(document.activeElement)) { now.replaceWith(then); enhance(then); }
  });
  return answer;
};

const dark = () => getComputedStyle(root).colorScheme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

const enhance = (from) => {
  all("[data-js]", from).forEach((el) => { el.hidden = false; });
  all("button[data-copy]", from).forEach((b) => b.addEventListener("click", async () => {
    await navigator.clipboard.writeText(b.dataset.copy || b.parentElement.querySelector("code").textContent);
    const was = b.innerHTML; b.textContent = "Copied"; setTimeout(() => { b.innerHTML = was; }, 1500);
  }));
};

const theme = (button) => button.addEventListener("click", () => {
  const form = document.getElementById("theme"), body = new URLSearchParams(new FormData(form));
  root.dataset.theme = dark() ? "light" : "dark";
  body.set("theme", root.dataset.theme);
  fetch(form.action, { method: "POST", body });
  dispatchEvent(new Event("themechange"));
});

// A form whose answer replaces the region `data-search` names, while one types.
const search = (form) => {
  let waiting, asked = 0;
  const ask = async () => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const url = `${form.getAttribute("action")}?${query}`, mine = ++asked;
    history.replaceState(null, "", url);
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asked) return; // a later question is under way
    form.dataset.search.split(" ").forEach((id) => {
      const then = page.getElementById(id);
      if (then) { document.getElementById(id).replaceWith(then); enhance(then); }
    });
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 150); });
  form.addEventListener("submit", (e) => { e.preventDefault(); clearTimeout(waiting); ask(); });
};

// Regions that follow the registry: `data-live` on the body of the page names them.
const live = (mark) => {
  const ids = mark.dataset.live.split(" "), said = mark.textContent;
  let source, waiting = false;
  const listen = () => {
    if (document.hidden || source) return;
    source = new EventSource("/live");
    source.onopen = () => { mark.textContent = said; };
    const follow = ({ data }) => {
      if (data === root.dataset.head) return; // what the page shows already
      root.dataset.head = data;
      if (waiting) return;
      waiting = true;
      setTimeout(async () => { waiting = false; await renew(location.href, ids).catch(() => {}); }, 300);
    };
    // What happened since the page was made is told by where the stream begins.
    ["begin", "change"].forEach((event) => source.addEventListener(event, follow));
    source.onerror = () => {
      mark.textContent = `not live since ${new Date().toTimeString().slice(0, 5)} `;
      const again = document.createElement("a");
      again.href = ""; again.textContent = "Load again"; mark.append(again);
    };
  };
  const stop = () => { source?.close(); source = undefined; };
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  addEventListener("pagehide", stop);
  listen();
};

addEventListener("keydown", (e) => {
  if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.target.closest("input, textarea, select")) {
    e.preventDefault(); document.querySelector("input[type=search]")?.focus();
  }
});
globalThis.muster = { renew, enhance };
enhance(document);
all("[data-theme-button]").forEach(theme);
all("form[data-search]").forEach(search);
all("[data-live]").forEach(live);
