// The sound's outline behind the position; where there is none, a plain bar.
import { part } from "./parts.js";

const canvas = part("wave"), place = canvas.parentElement;
const outlines = new Map();
let peaks = [], share = 0, shown = "";

async function outline(address) {
  if (!outlines.has(address)) {
    const answer = await fetch(address);
    const told = answer.ok ? await answer.json() : [];
    outlines.set(address, Array.isArray(told) ? told : told.peaks ?? []);
  }
  return outlines.get(address);
}

export async function showWave({ id, peaks: address }) {
  const key = `${id} ${address}`;
  if (key === shown) return;
  shown = key;
  peaks = [];
  let found = [];
  try { if (address) found = await outline(address); } catch { /* a plain bar */ }
  if (shown !== key) return;
  peaks = found;
  canvas.hidden = peaks.length === 0;
  place.classList.toggle("has-wave", peaks.length > 0);
  draw();
}

export function playedTo(at) {
  if (Math.abs(at - share) < 0.0005) return;
  share = at;
  draw();
}

function draw() {
  if (canvas.hidden) return;
  const { width, height } = canvas.getBoundingClientRect(), dots = window.devicePixelRatio || 1;
  if (!width) return;
  canvas.width = width * dots;
  canvas.height = height * dots;
  const brush = canvas.getContext("2d"), { color, caretColor } = getComputedStyle(canvas);
  const count = Math.min(peaks.length, Math.floor(width / 3)), wide = width / count, most = Math.max(...peaks, 1e-6);
  brush.scale(dots, dots);
  for (let bar = 0; bar < count; bar += 1) {
    const from = Math.floor((bar * peaks.length) / count), to = Math.max(Math.floor(((bar + 1) * peaks.length) / count), from + 1);
    const tall = Math.max((Math.max(...peaks.slice(from, to)) / most) * height, 2);
    brush.fillStyle = (bar + 0.5) / count <= share ? color : caretColor;
    brush.fillRect(bar * wide, (height - tall) / 2, Math.max(wide - 1, 1), tall);
  }
}
new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
