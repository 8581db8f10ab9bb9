/**
 * Dragging in the admin: a service stands before the one that it is dropped on, a group before the group. Without
 * it their arrows do the same.
 */
const desk = document.querySelector(".desk");

let dragged = null; // the row of a service, or the section of a group

const isGroup = () => dragged.matches(".heading");
const rowsOf = (list) => [...list.children].filter((row) => row !== dragged && row.matches(isGroup() ? ".heading[data-group]:not([data-group=''])" : "[data-service]"));

/** Where it may be dropped: in the list of a group for a service, in its page for a group. */
function listUnder({ target }) {
  const place = dragged && target.closest?.(".place");
  if (!place || place !== dragged.closest(".place")) return null;
  return isGroup() ? place : target.closest(".heading")?.querySelector("[data-drop]");
}

function rowBelow(list, y) {
  return rowsOf(list).find((row) => y < row.getBoundingClientRect().top + row.offsetHeight / 2);
}

function clearMarks() {
  document.querySelectorAll(".before, .last").forEach((row) => row.classList.remove("before", "last"));
}

function startDrag(event) {
  const handle = event.target.closest?.("[data-drag]");
  if (!handle) return;
  dragged = handle.closest("[data-service], .heading");
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", handle.dataset.drag);
  dragged.classList.add("dragged");
}

function dragOver(event) {
  const list = listUnder(event);
  if (!list) return;
  event.preventDefault(); // it may be dropped here
  clearMarks();
  const below = rowBelow(list, event.clientY);
  (below ?? list).classList.add(below ? "before" : "last");
}

function drop(event) {
  const list = listUnder(event);
  if (!list) return;
  event.preventDefault();
  const { service, group } = rowBelow(list, event.clientY)?.dataset ?? {};
  const path = event.dataTransfer.getData("text/plain");
  act(`${desk.dataset.base}/${path}/place`, "to", `${list.dataset.drop ?? ""}/${service ?? group ?? ""}`);
}

function endDrag() {
  dragged?.classList.remove("dragged");
  dragged = null;
  clearMarks();
}

/** As if a button of the board had been pressed. */
function act(path, name, value) {
  const button = Object.assign(document.createElement("button"), { name, value, formAction: path, hidden: true });
  const form = document.getElementById("act");
  form.append(button);
  form.requestSubmit(button);
  button.remove();
}

/** Only where there is a script that can do it, and a role that may. */
function letDrag() {
  const hint = document.getElementById("dragging");
  if (!hint || desk.dataset.role === "viewer") return;
  const handles = document.querySelectorAll("[data-drag]");
  for (const handle of handles) handle.draggable = true;
  hint.hidden = handles.length < 2;
}

for (const [event, hear] of Object.entries({ dragstart: startDrag, dragover: dragOver, drop, dragend: endDrag })) {
  document.addEventListener(event, hear);
}
document.addEventListener("live:changed", letDrag); // a morph brings the server's rows, which cannot be dragged
letDrag();
