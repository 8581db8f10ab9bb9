/**
 * Puts a live status where its own tag stands, in a frame of its own:
 * <script async src="https://status.example.org/embed.js" data-organization="acme"></script>
 * It leaves nothing else behind: no global, no style sheet. What the data attributes mean is in docs/embed.md.
 */
(() => {
  const script = document.currentScript;
  if (!script?.dataset.organization) return console.error("embed.js: its tag needs data-organization, and no type=module");
  const { organization, tenant, view = "line", theme = "auto", title = `Status of ${organization}` } = script.dataset;

  const path = [organization, tenant].filter(Boolean).map(encodeURIComponent).join("/");
  const url = new URL(`embed/${path}`, script.src);
  url.search = new URLSearchParams({ view, theme, origin: location.origin });

  const frame = document.createElement("iframe");
  frame.title = title;
  frame.loading = "lazy";
  // Through properties, which a strict policy of the page allows; style attributes it may refuse.
  const styles = { display: "block", width: "100%", height: "48px", border: "0" };
  // A frame is see-through only when its colour scheme is that of the document in it.
  if (theme !== "transparent") styles["color-scheme"] = theme === "auto" ? "light dark" : theme;
  for (const [name, value] of Object.entries(styles)) frame.style.setProperty(name, value);
  frame.src = url;

  addEventListener("message", ({ origin, source, data }) => {
    if (origin !== url.origin || source !== frame.contentWindow || data?.type !== "statuspage:height") return;
    if (data.height > 0 && data.height < 10_000) frame.style.setProperty("height", `${data.height}px`);
  });
  script.after(frame);
})();
