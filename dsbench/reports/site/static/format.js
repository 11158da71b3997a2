"use strict";
/* Numbers that a person reads, as `dsbench.reports.units` writes them. */

const NOTHING = "–";
const SMALL = [[1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
const LARGE = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const BINARY = [[2 ** 40, "Ti"], [2 ** 30, "Gi"], [2 ** 20, "Mi"], [2 ** 10, "Ki"], [1, ""]];
const PREFIXES = { s: SMALL, J: [[1e3, "k"], ...SMALL], B: BINARY, "B/step": BINARY, "FLOP/s": LARGE, "B/s": LARGE, "req/s": [[1, ""]] };

function human(value, unit) {
  if (value === null || value === undefined) return NOTHING;
  if (unit === "%") return percent(value);
  if (unit === "1") return Math.abs(value) < 0.5 ? significant(value, 2) : threeDigits(value);
  if (unit === "pp") return `${signedPoints(value)} pp`;
  const prefixes = PREFIXES[unit];
  if (!prefixes || !Number.isFinite(value)) return `${significant(value, 3)} ${unit}`.trimEnd();
  const size = prefixes === BINARY ? Math.abs(value) : Math.abs(Number(value.toPrecision(3)));
  const [scale, prefix] = prefixes.find(([step]) => size >= step) ?? prefixes[prefixes.length - 1];
  if (value === 0 || (prefixes === BINARY && scale === 1)) return `${value.toFixed(0)} ${unit}`;
  return `${threeDigits(value / scale)} ${prefix}${unit}`;
}

/* As many significant digits, without zeros at the end; powers of ten for what is very small or large. */
function significant(value, digits) {
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))));
  if (exponent >= -4 && exponent < digits) return String(Number(value.toPrecision(digits)));
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  return `${Number(mantissa)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

function threeDigits(value) {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.01) return significant(value, 2);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

function shareDigits(value) {
  const size = Math.abs(value);
  return size >= 99.95 ? value.toFixed(0) : size < 1 ? significant(value, 2) : value.toFixed(1);
}

const percent = (share) => (share === null || share === undefined ? NOTHING : `${shareDigits(100 * share)} %`);

/* A difference of shares in percentage points. */
function signedPoints(share) {
  const digits = (100 * Math.abs(share)).toFixed(2);
  return `${Number(digits) === 0 ? "" : share > 0 ? "+" : "−"}${digits}`;
}

function signed(share) {
  const digits = shareDigits(Math.abs(100 * share));
  return `${Number(digits) === 0 ? "" : share > 0 ? "+" : "−"}${digits} %`;
}

/* A value with its interval, such as 1.23 ms [1.20 ms, 1.26 ms]. */
function estimate(found, unit) {
  if (!found) return NOTHING;
  const { value, low, high } = found;
  if (low === null || high === null || low === undefined) return human(value, unit);
  return `${human(value, unit)} [${human(low, unit)}, ${human(high, unit)}]`;
}

const shortHash = (commit) => commit.slice(0, 8);
const words = (metric) => metric.replaceAll("_", " ");
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const day = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 10);
const moment = (seconds) => `${new Date(1000 * seconds).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/* How long ago something was, in the largest unit that fits. */
function ago(seconds, now = Date.now() / 1000) {
  const age = Math.max(0, now - seconds);
  for (const [size, word] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (age >= size) return `${plural(Math.floor(age / size), word)} ago`;
  }
  return "just now";
}
