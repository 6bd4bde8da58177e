// The page of a version: drawing into the numbers of an input, and asking without loading the page anew.
const all = (sel, from = document) => [...from.querySelectorAll(sel)];
const numbers = (text) => text.value.trim().split(/[\s,]+/).map(Number);

all("canvas[data-pad]").forEach((pad) => {
  const side = +pad.dataset.pad, cell = pad.width / side, g = pad.getContext("2d");
  const text = document.getElementById(pad.dataset.into), ink = document.getElementById(`${pad.dataset.into}-ink`);
  const paint = () => { // the numbers are the truth; the pad only shows and changes them
    g.clearRect(0, 0, pad.width, pad.height); g.fillStyle = getComputedStyle(pad).color;
    numbers(text).forEach((v, i) => {
      g.globalAlpha = Math.max(0, Math.min(1, v / (+ink.value || 1)));
      g.fillRect(i % side * cell, Math.floor(i / side) * cell, cell - 1, cell - 1);
    });
  };
  const write = (v) => { text.value = v.map((n, i) => n + ((i + 1) % side ? " " : "\n")).join("").trim(); paint(); };
  const mark = (e) => {
    if (!e.buttons) return;
    const v = numbers(text), x = Math.floor(e.offsetX / pad.clientWidth * side), y = Math.floor(e.offsetY / pad.clientHeight * side);
    while (v.length < side * side) v.push(0);
    if (x < 0 || y < 0 || x >= side || y >= side) return;
    v[y * side + x] = +ink.value; write(v);
  };
  pad.addEventListener("pointerdown", mark);
  pad.addEventListener("pointermove", mark);
  pad.addEventListener("pointerup", () => text.form.requestSubmit());
  text.addEventListener("input", paint);
  ink.addEventListener("input", paint);
  addEventListener("themechange", paint);
  all(`[data-clear="${pad.dataset.into}"]`).forEach((b) => b.addEventListener("click", () => write(Array(side * side).fill(0))));
  paint();
});

all("form[data-try]").forEach((form) => {
  let asked = 0;
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const mine = ++asked, body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const then = page.getElementById(form.dataset.try), now = document.getElementById(form.dataset.try);
    if (mine !== asked) return; // a later question is under way
    if (then) now.innerHTML = then.innerHTML; // kept itself, for it is a live region
    else form.submit();
    all("textarea", form).forEach((field) => {
      const wrong = page.getElementById(`${field.id}-wrong`);
      if (!wrong) return;
      document.getElementById(wrong.id).innerHTML = wrong.innerHTML;
      if (wrong.textContent) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
    });
  });
});
