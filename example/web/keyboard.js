/** Everything that can be done with the mouse can be done with keys; Tab goes from card to card. */

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function listen({ desk, camera, rename, addCard, fit, cancel }) {
  const commands = {
    n: addCard,
    c: () => desk.startConnecting(),
    Delete: () => desk.remove(),
    Backspace: () => desk.remove(),
    F2: () => rename(desk.nodes[0]),
    Enter: () => (desk.source === undefined ? rename(desk.nodes[0]) : desk.choose(desk.nodes[0])),
    "+": () => camera.zoomBy(1.25),
    "-": () => camera.zoomBy(0.8),
    0: fit,
    Escape: () => {
      cancel();
      desk.giveUp();
      if (desk.source === undefined) desk.select([]);
      else desk.stopConnecting();
    },
  };

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea")) return;
    const onControl = e.target.closest("button, a");
    if (onControl && (e.key === "Enter" || e.key === " ")) return;
    const step = STEPS[e.key];
    if (step && desk.nodes.length > 0) {
      e.preventDefault();
      const far = e.shiftKey ? 48 : 8;
      return desk.nudge(step[0] * far, step[1] * far);
    }
    const command = commands[e.key] ?? commands[e.key.toLowerCase()];
    if (!command || ((e.key === "Enter" || e.key === "F2") && desk.nodes.length !== 1)) return;
    e.preventDefault();
    command();
  });

  // Whoever reaches a card with Tab has selected it; a click selects by itself.
  document.getElementById("surface").addEventListener("focusin", (e) => {
    const id = e.target.closest("[data-id]")?.dataset.id;
    if (id && e.target.matches(":focus-visible") && !desk.selection.has(id)) desk.select([id]);
  });
}
