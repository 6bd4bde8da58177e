// Deploying works without this file. It only adds: the effect while one chooses, and progress as it happens.
const { renew } = globalThis.muster;

// A form that, changed, fetches what its choice would do, and puts those regions in the place of the old ones.
document.querySelectorAll("form[data-preview]").forEach((form) => {
  let asked;
  form.addEventListener("change", async () => {
    asked?.abort();
    asked = new AbortController();
    const body = new URLSearchParams(new FormData(form));
    body.set("preview", "1");
    const options = { method: "POST", body, signal: asked.signal };
    await renew(form.action, form.dataset.preview.split(" "), options).catch(() => {});
  });
});

// What is refused in any case is not sent; the reasons stand beside the button.
document.addEventListener("click", (e) => {
  if (e.target.closest?.("button[aria-disabled=true]")) e.preventDefault();
});

// An operation: fetched again at each of its events, and every second for what its worker says.
const follow = (url) => {
  const said = document.getElementById("said");
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    await renew(location.href, ["progress"]).catch(() => {});
    busy = false;
    const now = document.getElementById("progress");
    if (said.textContent !== now.dataset.said) said.textContent = now.dataset.said;
    if (!now.dataset.follow) { source.close(); clearInterval(every); }
  };
  const source = new EventSource(url);
  ["checking", "preparing", "starting", "ready", "recorded", "switched", "done", "failed"].forEach((step) => {
    source.addEventListener(step, look);
  });
  source.addEventListener("error", () => { source.close(); });
  const every = setInterval(look, 1000);
};
const progress = document.querySelector("#progress[data-follow]");
if (progress) follow(progress.dataset.follow);
