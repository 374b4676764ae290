// Numbers and times as people read them.

const MIB = 1024 * 1024;

export function megabytes(bytes) {
  const value = bytes / MIB;
  return `${value.toFixed(value < 10 ? 1 : 0)} MB`;
}

export const millilitres = (ml) => `${ml.toFixed(1)} mL`;

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

const two = (number) => String(number).padStart(2, "0");

/** A UTC time in the reader's zone, in the same form as the server writes it: nothing shifts. */
export function localTime(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
