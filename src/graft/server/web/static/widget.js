// Asks the model without leaving the page. Without this script the form posts, and the page that
// comes back holds the same answer.

const form = document.querySelector("#widget-form");

if (form) {
  const answer = document.querySelector("#widget-answer");
  const text = form.elements.text;
  const pair = form.elements.text_pair;
  const run = form.querySelector("[data-run]");

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  for (const example of form.querySelectorAll("[data-text]")) {
    example.addEventListener("click", (event) => {
      event.preventDefault();
      text.value = example.dataset.text;
      if (pair) pair.value = example.dataset.textPair ?? "";
      ask();
    });
  }
  for (const box of [text, pair]) {
    box?.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  async function ask() {
    const inputs = pair ? { text: text.value, text_pair: pair.value } : text.value;
    const label = run.textContent;
    run.disabled = true;
    run.textContent = "Running…";
    const started = performance.now();
    try {
      const scores = await post({ inputs, parameters: { top_k: Number(form.dataset.shown) } });
      show(scores, performance.now() - started);
    } catch (error) {
      complain(error.message);
    } finally {
      run.disabled = false;
      run.textContent = label;
    }
  }

  async function post(body) {
    let reply;
    try {
      reply = await fetch(form.dataset.endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch {
      throw new Error("The Hub did not answer. Check the connection and try again.");
    }
    const json = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Error(json.error ?? `The Hub answered ${reply.status}.`);
    return json[0];
  }

  function show(scores, milliseconds) {
    const list = document.createElement("ol");
    list.className = "scores";
    for (const { label, score } of scores) list.append(row(label, score));
    const took = document.createElement("p");
    took.className = "took";
    took.textContent = `Answered in ${milliseconds < 1000
      ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`}.`;
    answer.replaceChildren(list, took);
  }

  function row(label, score) {
    const item = document.createElement("li");
    const line = document.createElement("div");
    line.className = "name";
    for (const words of [label, `${(100 * score).toFixed(1)}%`]) {
      const span = document.createElement("span");
      span.textContent = words;
      line.append(span);
    }
    item.append(line, bar(score));
    return item;
  }

  function bar(score) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 100 5");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS(space, "rect");
    rect.setAttribute("width", (100 * score).toFixed(2));
    rect.setAttribute("height", "5");
    svg.append(rect);
    return svg;
  }

  function complain(message) {
    const box = document.createElement("p");
    box.className = "notice wrong";
    box.textContent = message;
    answer.replaceChildren(box);
  }
}
