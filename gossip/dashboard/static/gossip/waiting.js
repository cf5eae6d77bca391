// Where no node runs yet: looks again, and shows the status page once there is one.

const PAUSE = 3_000; // ms

async function look() {
  // A server that does not answer at all is no different.
  const answer = await fetch("/readyz", { cache: "no-store" }).catch(() => null);
  if (answer?.ok) location.reload(); else setTimeout(look, PAUSE);
}

document.getElementById("waiting").textContent = "Looking again every few seconds…";
look();
