// Scale: where a time is on the screen, and the ticks of the axis.

const TICK_PX = 90;

class Scale {
  constructor(window, width) {
    this.from = window.from;
    this.to = window.to;
    this.width = width;
    this.perSecond = width / (window.to - window.from);
  }

  /** The place of a time, in pixels. */
  x(at) {
    return (at - this.from) * this.perSecond;
  }

  /** The time at a place. */
  at(x) {
    return this.from + x / this.perSecond;
  }

  /** Round times in the window, each with its label: milliseconds while the test is in its first second, else seconds. */
  ticks() {
    const least = TICK_PX / this.perSecond;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = power * [1, 2, 5, 10].find((part) => part * power >= least * 0.999);
    const unit = this.to < 1 ? { size: 1000, name: "ms" } : { size: 1, name: "s" };
    const decimals = Math.max(0, -Math.floor(Math.log10(step * unit.size) + 1e-9));
    const found = [];
    for (let index = Math.ceil(this.from / step); index * step <= this.to; index += 1) {
      const at = index * step;
      if (at >= 0) found.push({ at, label: `${(at * unit.size).toFixed(decimals)} ${unit.name}` });
    }
    return found;
  }
}
