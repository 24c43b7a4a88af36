// The difference of two texts, by lines.

const MAX_CELLS = 1_000_000; // of the table that compares two texts; larger ones are replaced as a whole
const CONTEXT = 3; // unchanged lines shown before and after a change

/**
 * Return the hunks that make one text from another: [{kind, lines}], where `kind` is "same", "removed", "added", or
 * "skipped" for unchanged lines that are not needed to understand a change.
 */
export function difference(before, after) {
  const [old, new_] = [lines(before), lines(after)];
  const start = common(old, new_, (list, index) => list[index], 0);
  const end = common(old, new_, (list, index) => list[list.length - 1 - index], start);
  const hunks = [
    { kind: "same", lines: old.slice(0, start) },
    ...changed(old.slice(start, old.length - end), new_.slice(start, new_.length - end)),
    { kind: "same", lines: old.slice(old.length - end) },
  ];
  return hunks.filter((hunk) => hunk.lines.length > 0).flatMap(shortened);
}

const lines = (text) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

/** Return how many lines are common, from the beginning or the end; `taken` ones are not counted again. */
function common(old, new_, at, taken) {
  const most = Math.min(old.length, new_.length) - taken;
  let count = 0;
  while (count < most && at(old, count) === at(new_, count)) count += 1;
  return count;
}

function changed(old, new_) {
  if (old.length * new_.length > MAX_CELLS) return [{ kind: "removed", lines: old }, { kind: "added", lines: new_ }];
  const lengths = commonLengths(old, new_);
  const hunks = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < new_.length) {
    if (i < old.length && j < new_.length && old[i] === new_[j]) {
      push(hunks, "same", old[i++]);
      j += 1;
    } else if (i < old.length && (j === new_.length || lengths[i + 1][j] >= lengths[i][j + 1])) {
      push(hunks, "removed", old[i++]);
    } else {
      push(hunks, "added", new_[j++]);
    }
  }
  return hunks;
}

/** Return the lengths of the longest common subsequences of the lines from i and from j on. */
function commonLengths(old, new_) {
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint32Array(new_.length + 1));
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = new_.length - 1; j >= 0; j -= 1) {
      const same = old[i] === new_[j];
      lengths[i][j] = same ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

function push(hunks, kind, line) {
  if (hunks.at(-1)?.kind === kind) hunks.at(-1).lines.push(line);
  else hunks.push({ kind, lines: [line] });
}

/** Leave out the middle of many unchanged lines. */
function shortened(hunk, index, hunks) {
  if (hunk.kind !== "same") return [hunk];
  const head = index === 0 ? 0 : CONTEXT;
  const tail = index === hunks.length - 1 ? 0 : CONTEXT;
  if (hunk.lines.length <= head + tail + 1) return [hunk];
  const middle = hunk.lines.slice(head, hunk.lines.length - tail);
  const parts = [
    { kind: "same", lines: hunk.lines.slice(0, head) },
    { kind: "skipped", lines: middle },
    { kind: "same", lines: hunk.lines.slice(hunk.lines.length - tail) },
  ];
  return parts.filter((part) => part.lines.length > 0);
}
