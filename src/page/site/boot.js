// Sets what the first paint depends on: theme and wall. A classic script, so that nothing is drawn before it.

(() => {
  const page = document.documentElement;
  const asked = new URLSearchParams(location.search);
  let kept = null;
  try {
    kept = localStorage.getItem("orderflow.theme");
  } catch {
    // Storage is switched off: the system's theme it is.
  }
  const theme = asked.get("theme") ?? kept;
  page.dataset.theme = ["light", "dark"].includes(theme) ? theme : "system";
  if (asked.has("wall")) page.dataset.wall = "true";
})();
