// Where the reader is, and addresses of this page.
function openTarget() {
  if (data.images.length && recall(location.hash)) {
    byId("images").scrollIntoView();
    return;
  }
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

function markSection() {
  const sections = [...document.querySelectorAll("main section")];
  const read = sections.filter((section) => section.getBoundingClientRect().top < window.innerHeight / 3).pop() || sections[0];
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#${read.id}`;
    if (here) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function startNavigation() {
  window.addEventListener("hashchange", openTarget);
  window.addEventListener("scroll", markSection, { passive: true });
  markSection();
  openTarget();
}
