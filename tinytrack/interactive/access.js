// The front end of access.Access: names and states for screen readers, messages read aloud, Enter in text boxes, a warning before the
// page is left, and a banner when Python does not answer any more.

const LATE = "Python has not answered for some seconds. It is busy, or it has ended: what you mark now may be lost.";
const GONE = "Python has ended or was restarted. Reload the page or run the cell again, open the video, and press Restore: your marks were kept.";
const KERNEL = "tinytrack-kernel"; // the event with which canvas.js and upload.js tell how Python is: "well", "late" or "gone"

function render({ model, el }) {
  const said = document.createElement("div"), banner = document.createElement("div");
  said.className = "tinytrack-said";
  said.setAttribute("role", "status");
  said.setAttribute("aria-live", "polite");
  banner.className = "tinytrack-banner";
  banner.setAttribute("role", "alert");
  banner.hidden = true;
  el.append(said, banner);

  const root = () => el.closest(".tinytrack-studio");
  const say = () => { said.textContent = model.get("text"); };

  function tidy() {
    for (const box of root()?.querySelectorAll(".widget-inline-hbox") || []) {
      const name = box.querySelector(".widget-label")?.textContent.trim();
      const [handle, readout] = [box.querySelector(".noUi-handle"), box.querySelector(".widget-readout")];
      if (name && handle) handle.setAttribute("aria-label", name);
      if (name && readout) readout.setAttribute("aria-label", `value of ${name}`);
      const input = box.querySelector("input[placeholder]");
      if (input && !name) input.setAttribute("aria-label", input.placeholder);
    }
    for (const button of root()?.querySelectorAll(".widget-toggle-button, .widget-toggle-buttons button") || [])
      button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
    for (const empty of root()?.querySelectorAll("[title='null']") || []) empty.removeAttribute("title");
  }
  let waiting = false;
  const observer = new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; tidy(); });
  });

  function pressed(event) {
    const box = event.key === "Enter" && !event.isComposing && event.target.closest?.(".tinytrack-enter");
    if (!box || event.target.tagName !== "INPUT") return;
    const name = [...box.classList].find(c => c.startsWith("tinytrack-enter-")).slice("tinytrack-enter-".length);
    event.preventDefault();
    event.stopPropagation();
    try { model.send({ kind: "enter", box: name, text: event.target.value }); } catch { show("gone"); }
  }
  function show(state) {
    if (state === "well" && banner.dataset.state === "gone") return; // an old answer
    banner.dataset.state = state;
    banner.textContent = { late: LATE, gone: GONE, well: "" }[state];
    banner.hidden = state === "well";
  }
  const told = event => show(event.detail);
  function failed(event) { // the usual buttons raise this error when Python was restarted
    const error = event.error || event.reason;
    if (!/cannot send|comm is closed|kernel.*(dead|disposed)/i.test(error?.message || event.message || "")) return;
    event.preventDefault();
    show("gone");
  }
  function leaving(event) {
    if (!model.get("unsaved") || !el.isConnected) return;
    event.preventDefault();
    event.returnValue = ""; // older browsers ask only because of this
  }

  const heard = { [KERNEL]: told, error: failed, unhandledrejection: failed, beforeunload: leaving };
  for (const [name, listener] of Object.entries(heard)) window.addEventListener(name, listener);
  model.on("change:text", say);
  say();
  let watched = null;
  const begin = () => { // the element is not part of the page yet when this is called first
    watched = root();
    if (!watched) return void (el.isConnected || requestAnimationFrame(begin));
    observer.observe(watched, { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "title"] });
    watched.addEventListener("keydown", pressed, true); // first: the text boxes themselves keep this event from the page
    tidy();
  };
  requestAnimationFrame(begin);
  return () => {
    observer.disconnect();
    watched?.removeEventListener("keydown", pressed, true);
    for (const [name, listener] of Object.entries(heard)) window.removeEventListener(name, listener);
    model.off("change:text", say);
  };
}

export default { render };
