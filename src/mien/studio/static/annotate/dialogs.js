// Questions, short notices, and the overlay of keys.

function filled(dialog, title, ...parts) {
  const head = document.createElement("h2");
  head.id = `${dialog.id}-title`;
  head.textContent = title;
  dialog.replaceChildren(head, ...parts);
}

function paragraph(text) {
  const made = document.createElement("p");
  made.textContent = text;
  return made;
}

function plain(text, name) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.textContent = text;
  return made;
}

/** Ask; resolve to whether the first answer was chosen. */
export function confirmed(title, words, yes, no) {
  const dialog = document.getElementById("ask");
  const [first, second] = [plain(yes, "primary"), plain(no, "")];
  const row = document.createElement("div");
  row.className = "answers";
  row.append(first, second);
  filled(dialog, title, paragraph(words), row);
  return new Promise((resolve) => {
    let answer = false;
    first.onclick = () => {
      answer = true;
      dialog.close();
    };
    second.onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    if (!dialog.open) dialog.showModal();
    second.focus();
  });
}

let fading;

/** Say something short, for a while. */
export function notice(text) {
  let place = document.getElementById("notice");
  if (!place) {
    place = document.createElement("p");
    place.id = "notice";
    place.setAttribute("role", "status");
    document.body.append(place);
  }
  place.textContent = text;
  place.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (place.hidden = true), 3000);
}

const ALL = [
  ["Space", "play or pause"],
  [", .", "a frame back or on (or Shift and ← →)"],
  ["j l", "2 seconds back or on"],
  ["[ ]", "slower, faster: 0.25 to 2"],
  ["Home End", "to the start, to the end"],
  ["m", "sound off or on"],
  ["f", "finish this video and go to the next"],
  ["Esc", "back to the list"],
  ["?", "this list"],
];

const TRACE = [
  ["↑ ↓", "value up or down; held, it moves on; with Shift finely"],
  ["0", "value to zero"],
  ["mouse, touch", "over the scale: the value is where the pointer is"],
  ["wheel", "value up or down"],
  ["g", "game controller: axes, calibration"],
  ["Backspace", "5 seconds back, and overwrite from there"],
  ["Enter", "overwrite from here"],
  ["z", "undo the last overwriting"],
];

const SEGMENTS = [
  ["1 … 9 0", "a label begins or ends here; with Shift the labels from the eleventh on"],
  ["↑ ↓", "choose the segment before or after"],
  ["i o", "the chosen segment begins, ends here"],
  ["x", "it cannot be scored there"],
  ["Delete", "remove the chosen segment"],
  ["n", "the face is neutral here: keep it beside the video"],
  ["+ −", "nearer, farther"],
  ["y", "take over what was predicted"],
  ["z", "undo"],
];

const UNITS = [["p", "the chosen segment's apex is here"], ["a … e", "its intensity, A to E"]];

/** Show what keys do. */
export function showKeys(kind, units) {
  const dialog = document.getElementById("keys");
  if (dialog.open) return dialog.close();
  const own = kind === "trace" ? TRACE : kind === "segments" ? [...SEGMENTS, ...(units ? UNITS : [])] : [];
  const list = document.createElement("dl");
  for (const [keys, what] of [...own, ...ALL]) {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) {
      const shown = document.createElement(key.length > 1 && key === key.toLowerCase() ? "span" : "kbd");
      shown.textContent = key;
      term.append(shown, " ");
    }
    const told = document.createElement("dd");
    told.textContent = what;
    list.append(term, told);
  }
  const close = plain("Close", "primary");
  close.onclick = () => dialog.close();
  filled(dialog, "Keys", list, close);
  dialog.showModal();
  close.focus();
}
