// What the reviewer does, keys, buttons, swipes, wheel and drags, as calls of the viewer.

import { listenForKeys } from "./keys.js";
import { FLAG } from "./show/status.js";
import { listenForSwipes } from "./swipe.js";

const WHEEL_ZOOM = 0.0015; // per CSS pixel of the wheel
const DOUBLE_CLICK_ZOOM = 3;
const SWIPES = { right: "accept", left: "reject", up: "skip" };
const SWIPE_WORDS = { right: "✓ Accept", left: "✕ Reject", up: "⇥ Skip" };

// What an action of a key does; one that returns false leaves the key to the browser.
const EVERYWHERE = {
  undo: (viewer) => viewer.undo(),
  view: (viewer, event) => viewer.say(viewer.screen.tools.turn(event.shiftKey ? -1 : 1)),
  fainter: (viewer) => viewer.say(`tint ${viewer.screen.tools.fade(-1)} per cent`),
  stronger: (viewer) => viewer.say(`tint ${viewer.screen.tools.fade(1)} per cent`),
  hide: (viewer) => viewer.screen.hideMask(true),
  grid: (viewer) => viewer.screen.toggleGrid(),
  alike: (viewer) => viewer.showLookAlikes(),
  filter: (viewer) => viewer.openFilter(),
};
const ON_STAGE = {
  accept: (viewer, event) => viewer.decide("accept", event, { side: "A" }),
  second: (viewer, event) => viewer.screen.isPair && viewer.decide("accept", event, { side: "B" }),
  differ: (viewer) => viewer.screen.isPair && viewer.screen.toggle("differ"),
  reject: (viewer, event) => viewer.decide("reject", event),
  skip: (viewer, event) => viewer.decide("skip", event),
  flag: (viewer, event) => viewer.decide("skip", event, { reason: FLAG }),
  repair: (viewer) => viewer.repair(),
  zoom: (viewer) => viewer.screen.toggleZoom(),
  inset: (viewer) => viewer.screen.toggle("inset"),
  whole: (viewer) => viewer.screen.toggleWholeImage(),
  left: (viewer) => viewer.screen.travel(-1),
  up: (viewer) => viewer.screen.travel(-1),
  right: (viewer) => viewer.screen.travel(1),
  down: (viewer) => viewer.screen.travel(1),
  note: (viewer) => viewer.openNote(),
  back: (viewer) => viewer.back(),
};
const IN_REPAIR = {
  undo: ({ screen: { editor } }) => editor.undo(),
  redo: ({ screen: { editor } }) => editor.redo(),
  brush: ({ screen: { editor } }) => editor.choose({ isEraser: false }),
  eraser: ({ screen: { editor } }) => editor.choose({ isEraser: true }),
  smart: ({ screen: { editor } }) => editor.choose({ isSmart: !editor.isSmart, isPoint: false }),
  point: ({ me, screen: { editor } }) => me.segmenter && editor.choose({ isPoint: !editor.isPoint, isSmart: false }),
  smaller: ({ screen: { editor } }) => editor.choose({ size: editor.size - 1 }),
  larger: ({ screen: { editor } }) => editor.choose({ size: editor.size + 1 }),
  largest: ({ screen: { editor } }) => editor.refine("largest"),
  fill: ({ screen: { editor } }) => editor.refine("fill"),
  smooth: ({ screen: { editor } }) => editor.refine("smooth"),
  hide: ({ screen: { editor } }) => editor.hideMask(true),
  fit: ({ screen: { editor } }) => editor.fit(),
  accept: (viewer, event) => viewer.acceptRepaired(event),
  confirm: (viewer, event) => viewer.acceptRepaired(event),
  back: (viewer) => viewer.leaveRepair(),
};
const IN_GRID = {
  reject: ({ screen: { grid } }) => grid.toggle(),
  skip: ({ screen: { grid } }) => grid.toggle(), // space marks what has the focus, as it does everywhere else
  left: ({ screen: { grid } }) => grid.move(-1, 0),
  right: ({ screen: { grid } }) => grid.move(1, 0),
  up: ({ screen: { grid } }) => grid.move(0, -1),
  down: ({ screen: { grid } }) => grid.move(0, 1),
  confirm: (viewer, event) => viewer.confirmPage(event),
  back: (viewer) => viewer.back(),
};

export function listen(viewer, root) {
  listenForKeys(viewer.settings, viewer.keyMap, {
    act: (action, event) => act(viewer, action, event),
    release: () => viewer.screen.hideMask(false),
    isRepairing: () => viewer.screen.isRepairing,
    isShown: () => root.checkVisibility(),
  });
  listenForClicks(viewer, root);
  for (const button of root.querySelectorAll("[data-hide]")) holdToHide(viewer, button);
  lookCloser(viewer.screen, root.querySelector(".panes"));
  swipeToDecide(viewer, root);
  keepTime(viewer.screen.clock);
}

function act(viewer, action, event) {
  if (action === "help") return viewer.toggleHelp();
  if (action === "whole" && viewer.screen.wholeImage.dialog.open) return viewer.screen.toggleWholeImage();
  if (viewer.dialogIsOpen) return false;
  if (viewer.screen.isRepairing) return IN_REPAIR[action] ? IN_REPAIR[action](viewer, event) : false;
  const reason = /^(reason|more)(\d)$/.exec(action);
  if (reason) {
    const word = viewer.status.reasons[reason[2] - 1]?.dataset.reason;
    return reason[1] === "more" ? viewer.collectReason(word, event) : viewer.giveReason(word, event);
  }
  if (viewer.asking && (action === "confirm" || action === "reject")) return viewer.giveReason(null, event);
  const here = { ...EVERYWHERE, ...(viewer.screen.inGrid ? IN_GRID : ON_STAGE) };
  return here[action] ? here[action](viewer, event) : false;
}

function listenForClicks(viewer, root) {
  const actions = {
    "#accept": (event) => viewer.decide("accept", event, { side: "A" }),
    "#accept-b": (event) => viewer.decide("accept", event, { side: "B" }),
    "#differ": () => viewer.screen.toggle("differ"),
    "#reject": (event) => viewer.decide("reject", event),
    "#skip": (event) => viewer.decide("skip", event),
    "#flag": (event) => viewer.decide("skip", event, { reason: FLAG }),
    "#repair": () => viewer.repair(),
    "#fix": (event) => viewer.acceptRepaired(event),
    "#leave": () => viewer.leaveRepair(),
    "#undo": () => viewer.undo(),
    "#undo-stroke": () => IN_REPAIR.undo(viewer),
    "#redo-stroke": () => IN_REPAIR.redo(viewer),
    ...Object.fromEntries(
      ["brush", "eraser", "smart", "point", "smaller", "larger", "largest", "fill", "smooth", "fit"].map((name) => [`#${name}`, () => IN_REPAIR[name](viewer)]),
    ),
    "#confirm": (event) => viewer.confirmPage(event),
    "#back": () => viewer.back(),
    "#publish, [data-action=publish]": () => viewer.publish(),
    "#help, [data-action=close-help]": () => viewer.toggleHelp(),
    "[data-action=change-keys]": () => viewer.keyDialog.change(),
    "[data-action=default-keys]": () => viewer.keyDialog.reset(),
    "#sign-out": () => viewer.signIn.signOut(),
    "#zoom": () => viewer.screen.toggleZoom(),
    "#inset": () => viewer.screen.toggle("inset"),
    "#whole-image, [data-action=close-whole]": () => viewer.screen.toggleWholeImage(),
    "#grid": () => viewer.screen.toggleGrid(),
    "#alike": () => viewer.showLookAlikes(),
    "#filter": () => viewer.openFilter(),
    "[data-action=close-filter]": () => viewer.filterPanel.dialog.close(),
    "[data-action=clear-filter]": () => viewer.clearFilter(),
    "#fainter": () => viewer.screen.tools.fade(-1),
    "#stronger": () => viewer.screen.tools.fade(1),
    "[data-view]": (event) => viewer.screen.tools.choose(event.currentTarget.dataset.view),
    "[data-queue]": (event) => viewer.turnTo(event.currentTarget.dataset.queue),
    "[data-reason]": (event) => {
      const word = event.currentTarget.dataset.reason;
      return event.shiftKey ? viewer.collectReason(word, event) : viewer.giveReason(word, event);
    },
    "#note": () => viewer.openNote(),
    "#no-reason": (event) => viewer.giveReason(null, event),
    "[data-action=second-look]": () => viewer.turnTo("second_look"),
  };
  for (const [selector, click] of Object.entries(actions)) {
    for (const button of root.querySelectorAll(selector)) {
      button.addEventListener("click", click);
      button.addEventListener("mousedown", (event) => event.preventDefault()); // focus, and so space, stays put
    }
  }
  for (const name of ["shortcuts", "ask"]) root.querySelector(`#${name}`).addEventListener("change", () => viewer.screen.toggle(name));
}

function holdToHide(viewer, button) {
  const isPress = (event) => event.key === " " || event.key === "Enter";
  button.addEventListener("pointerdown", () => viewer.screen.hideMask(true));
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"]) button.addEventListener(name, () => viewer.screen.hideMask(false));
  button.addEventListener("keydown", (event) => isPress(event) && viewer.screen.hideMask(true));
  button.addEventListener("keyup", (event) => isPress(event) && viewer.screen.hideMask(false));
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
}

/** Wheel and double click zoom where the pointer is; in the zoom the pointer drags the picture. */
function lookCloser(screen, panes) {
  const { stage } = screen;
  const zoomAt = (event, factor) => {
    const pane = event.target.closest("canvas");
    if (!pane) return;
    event.preventDefault();
    stage.zoomAt(pane, event, factor);
    screen.showTools();
  };
  panes.addEventListener("wheel", (event) => {
    const distancePx = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : 30 * event.deltaY;
    zoomAt(event, Math.exp(-distancePx * WHEEL_ZOOM));
  }, { passive: false });
  panes.addEventListener("dblclick", (event) => (stage.zoom ? screen.toggleZoom() : zoomAt(event, DOUBLE_CLICK_ZOOM)));
  let last = null; // where the pointer that drags was
  panes.addEventListener("pointerdown", (event) => {
    if (!stage.zoom) return;
    panes.setPointerCapture(event.pointerId);
    last = event;
  });
  panes.addEventListener("pointermove", (event) => {
    if (!stage.zoom || last?.pointerId !== event.pointerId) return;
    stage.drag(event.clientX - last.clientX, event.clientY - last.clientY);
    last = event;
  });
  for (const name of ["pointerup", "pointercancel"]) panes.addEventListener(name, () => (last = null));
}

function swipeToDecide(viewer, root) {
  const [panes, hint] = [root.querySelector(".panes"), root.querySelector(".swipe")];
  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)");
  listenForSwipes(root.querySelector(".scene"), {
    isWanted: () => !viewer.screen.inGrid && !viewer.screen.isRepairing && !viewer.screen.stage.zoom && !viewer.dialogIsOpen,
    onMove: (dx, dy, direction) => {
      panes.style.transform = isStill.matches || (dx === 0 && dy === 0) ? "" : `translate(${dx}px, ${Math.min(0, dy)}px)`;
      hint.hidden = direction === null;
      hint.textContent = direction ? SWIPE_WORDS[direction] : "";
      hint.dataset.verdict = direction ? SWIPES[direction] : "";
    },
    onSwipe: (direction, event) => viewer.decide(SWIPES[direction], event),
  });
}

/** Every sign of a person counts; the time out of sight doesn't. */
function keepTime(clock) {
  for (const name of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    document.addEventListener(name, (event) => clock.input(event.timeStamp), { capture: true, passive: true });
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clock.hide(performance.now());
    else clock.unhide(performance.now());
  });
}
