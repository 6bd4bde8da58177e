// Uploading works without this file. It only adds: dropping, folders that are dropped, and progress, file by file.
const { renew } = globalThis.muster;

const made = (name, attributes = {}, text = "") => {
  const el = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => el.setAttribute(key, value));
  el.textContent = text;
  return el;
};

const size = (bytes) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 999.5 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${at && bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`;
};

// Sends one file, as the form would, and says how far it is; what is wrong with it, or "" if it is there.
const send = (form, { path, file }, far) => new Promise((done) => {
  const body = new FormData(), request = new XMLHttpRequest();
  body.append("token", form.elements.token.value);
  body.append("path", path);
  body.append("file", file, file.name);
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.upload.addEventListener("progress", (e) => { far(e.loaded, e.total); });
  request.addEventListener("error", () => { done("the connection broke off"); });
  request.addEventListener("load", () => {
    if (request.status < 400) { done(""); return; }
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    done(page.querySelector("#refused b, .say[data-h=failed] b")?.textContent.replace(`${path}: `, "") ?? `refused (${request.status})`);
  });
  request.send(body);
});

// What was dropped, folders with all that is in them; the name of a single folder is left out.
const dropped = async ({ items, files }) => {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean), found = [];
  if (!entries.length) return [...files].map((file) => ({ path: file.name, file }));
  const walk = async (entry, above) => {
    if (entry.isFile) {
      found.push({ path: above + entry.name, file: await new Promise((done, fail) => { entry.file(done, fail); }) });
      return;
    }
    const reader = entry.createReader();
    for (;;) { // a reader gives a hundred at a time
      const some = await new Promise((done, fail) => { reader.readEntries(done, fail); });
      if (!some.length) return;
      for (const each of some) await walk(each, `${above}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  const alone = entries.length === 1 && entries[0].isDirectory ? entries[0].name.length + 1 : 0;
  return found.map(({ path, file }) => ({ path: path.slice(alone), file }));
};

document.querySelectorAll("form[data-upload]").forEach((form) => {
  const queue = document.getElementById("queue"), said = document.getElementById("sent");
  let under = Promise.resolve(), all = 0, there = 0, failed = 0;
  const tell = () => {
    const rest = failed ? `, ${failed} refused` : "";
    said.textContent = `${there} of ${all} ${all === 1 ? "file is" : "files are"} there${rest}.`;
  };
  const one = async (row, item) => {
    const bar = row.querySelector("progress"), state = row.querySelector("small");
    const wrong = await send(form, item, (loaded, total) => { bar.max = total; bar.value = loaded; });
    bar.remove();
    row.querySelector(".dot").dataset.h = wrong ? "failed" : "ready";
    state.textContent = ` ${wrong || `${size(item.file.size)}, stored`}`;
    if (wrong) failed += 1; else there += 1;
    tell();
  };
  const add = (items) => {
    if (!items.length) return;
    all += items.length;
    tell();
    items.forEach((item) => {
      const row = made("li"), words = made("div");
      words.append(made("b", { class: "mono" }, item.path), made("small", {}, ` ${size(item.file.size)}`));
      row.append(made("i", { class: "dot", "data-h": "starting" }), words, made("progress", { value: 0, max: 1, "aria-label": `Upload of ${item.path}` }));
      queue.append(row);
      under = under.then(() => one(row, item));
    });
    const mine = under;
    under.then(async () => { if (mine === under) await renew(location.href, form.dataset.upload.split(" ")); });
  };
  form.querySelector("[data-plain]").hidden = true;
  form.elements.file.addEventListener("change", (e) => {
    add([...e.target.files].map((file) => ({ path: file.name, file })));
    e.target.value = "";
  });
  form.elements.folder.addEventListener("change", (e) => {
    add([...e.target.files].map((file) => ({ path: file.webkitRelativePath.split("/").slice(1).join("/"), file })));
    e.target.value = "";
  });
  form.addEventListener("dragover", (e) => { e.preventDefault(); form.dataset.over = ""; });
  form.addEventListener("dragleave", () => { delete form.dataset.over; });
  form.addEventListener("drop", async (e) => {
    e.preventDefault();
    delete form.dataset.over;
    add(await dropped(e.dataTransfer));
  });
});
