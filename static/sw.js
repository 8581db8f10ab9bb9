/** What a browser keeps of us: a page for when the network is gone, which says so and tries again. */
const PAGE = "/offline";

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(registration.navigationPreload?.enable()));
addEventListener("fetch", (event) => {
  const { mode, method, destination } = event.request;
  if (mode === "navigate" && method === "GET" && destination === "document") event.respondWith(answer(event));
});

async function keep() {
  const shelf = await caches.open("offline");
  await shelf.add(new Request(PAGE, { cache: "reload" }));
  await skipWaiting();
}

/** The network's answer, whatever it is; ours only when there is none. */
async function answer(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(PAGE)) ?? Response.error();
  }
}
