/**
 * Light, dark, or as the system has it: remembered in this browser, and set before anything is painted: it
 * stands in every document's head, allowed by its hash. Without it the switch is not shown, and the system
 * decides.
 */
{
  const root = document.documentElement;
  const shelf = "theme";

  /** The browser may keep nothing for us. */
  const recall = () => {
    try {
      return localStorage.getItem(shelf);
    } catch {
      return null;
    }
  };

  const keep = (theme) => {
    try {
      theme ? localStorage.setItem(shelf, theme) : localStorage.removeItem(shelf);
    } catch {}
  };

  const use = (theme) => (theme ? (root.dataset.theme = theme) : delete root.dataset.theme);
  const known = (theme) => (["light", "dark"].includes(theme) ? theme : null);

  const showChoice = () => {
    const choice = root.dataset.theme ?? "auto";
    for (const input of document.querySelectorAll("input[name=theme]")) input.checked = input.value === choice;
  };

  const choose = ({ target }) => {
    if (target.name !== "theme") return;
    const theme = known(target.value);
    use(theme);
    keep(theme);
  };

  const follow = ({ key, newValue }) => {
    if (key !== shelf) return;
    use(known(newValue)); // chosen in another tab
    showChoice();
  };

  use(known(recall()));
  root.dataset.switch = "theme";
  addEventListener("storage", follow);
  document.addEventListener("change", choose);
  document.addEventListener("DOMContentLoaded", showChoice);
  addEventListener("pageshow", showChoice); // a form control's own memory comes last
}
