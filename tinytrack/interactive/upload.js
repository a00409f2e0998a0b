// The front end of upload.Upload: sends a file to Python in pieces, each on request, so that no message exceeds a server's limit.

function render({ model, el }) {
  const label = document.createElement("label"), input = document.createElement("input"), said = document.createElement("span");
  label.className = "tinytrack-upload";
  label.textContent = "upload a file ";
  input.type = "file";
  input.accept = model.get("accept");
  label.append(input);
  el.append(label, said);
  let file = null;
  function send(message, pieces) {
    try { model.send(message, undefined, pieces); } catch { window.dispatchEvent(new CustomEvent("tinytrack-kernel", { detail: "gone" })); }
  }

  input.addEventListener("change", () => {
    file = input.files[0];
    if (!file) return;
    said.textContent = "";
    send({ kind: "begin", name: file.name, size: file.size });
  });
  async function asked(message) {
    if (message.kind === "more" && file) {
      const { number, start, stop } = message;
      const piece = await file.slice(start, stop).arrayBuffer().catch(() => null);
      if (piece === null) send({ kind: "failed", number }); // the file was changed or removed meanwhile
      else send({ kind: "piece", number, start }, [piece]);
    } else if (message.kind === "end") {
      file = null;
      input.value = ""; // so that the same file can be chosen again
    }
  }
  model.on("msg:custom", asked);
  return () => model.off("msg:custom", asked);
}

export default { render };
