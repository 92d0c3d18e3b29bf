// Gives every block of code a button that copies it.

for (const pre of document.querySelectorAll("pre")) {
  const box = document.createElement("div");
  box.className = "copied-box";
  pre.replaceWith(box);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    button.textContent = (await copy(pre)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  box.append(pre, button);
}

// Copies by the clipboard where the browser gives one (https, localhost); else selects the text.
async function copy(pre) {
  const text = pre.textContent.trimEnd();
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(pre);
    return false;
  }
}
