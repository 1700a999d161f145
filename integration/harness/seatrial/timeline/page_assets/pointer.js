// Pointer: mouse, wheel and keys on the drawing, the axis and the overview.

const ZOOM_STEP = 1.5;
const DRAG_PX = 4;

class Pointer {
  #state;
  #drawing;
  #drag;

  constructor(state, drawing) {
    this.#state = state;
    this.#drawing = drawing;
    const { canvas, axis, overview } = drawing;
    for (const target of [canvas, axis, overview]) {
      target.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
      target.addEventListener("pointerdown", (event) => this.#down(event));
      target.addEventListener("pointermove", (event) => this.#move(event));
      target.addEventListener("pointerup", (event) => this.#up(event));
      target.addEventListener("pointercancel", () => this.#end());
      target.addEventListener("dblclick", () => state.showAll());
    }
    canvas.addEventListener("pointerleave", () => this.#leave());
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #wheel(event) {
    event.preventDefault();
    const along = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const by = (event.deltaX || event.deltaY) * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1);
    if (along) this.#state.pan(by / this.#drawing.scale.width);
    else this.#state.zoom(1.0018 ** event.deltaY, this.#timeAt(event));
  }

  #timeAt(event) {
    const { overview, scale } = this.#drawing;
    const used = event.currentTarget === overview ? new Scale(this.#state.whole, overview.clientWidth) : scale;
    return used.at(event.offsetX);
  }

  #down(event) {
    if (event.button > 1) return;
    const { canvas, overview } = this.#drawing;
    event.currentTarget.setPointerCapture(event.pointerId);
    const pans = event.shiftKey || event.button === 1 || event.currentTarget !== canvas;
    this.#drag = { x: event.offsetX, y: event.offsetY, window: this.#state.window, pans, moved: false };
    if (event.currentTarget === overview) this.#centreOn(this.#timeAt(event));
  }

  #move(event) {
    const { canvas, overview, scale } = this.#drawing;
    if (this.#drag === undefined) {
      if (event.currentTarget === canvas) this.#hover(event);
      return;
    }
    this.#drag.moved ||= Math.abs(event.offsetX - this.#drag.x) > DRAG_PX;
    if (event.currentTarget === overview) this.#centreOn(this.#timeAt(event));
    else if (this.#drag.pans) {
      const { from, to } = this.#drag.window;
      const by = (this.#drag.x - event.offsetX) / scale.perSecond;
      this.#state.show(from + by, to + by);
    } else if (this.#drag.moved) {
      const [left, right] = [this.#drag.x, event.offsetX].sort((one, other) => one - other);
      this.#leave();
      byId("rubber").hidden = false;
      byId("rubber").style.left = `${left}px`;
      byId("rubber").style.width = `${right - left}px`;
    }
  }

  #up(event) {
    const drag = this.#drag;
    this.#end();
    if (drag === undefined || event.currentTarget !== this.#drawing.canvas) return;
    const { scale } = this.#drawing;
    if (!drag.moved) this.#state.choose(this.#drawing.eventAt(event.offsetX, event.offsetY));
    else if (!drag.pans) {
      const [from, to] = [scale.at(drag.x), scale.at(event.offsetX)].sort((one, other) => one - other);
      this.#state.show(from, to);
    }
  }

  #end() {
    this.#drag = undefined;
    byId("rubber").hidden = true;
  }

  #centreOn(at) {
    const half = (this.#state.window.to - this.#state.window.from) / 2;
    this.#state.show(at - half, at + half);
  }

  /** The time under the pointer, and what is there. */
  #hover(event) {
    const { scale } = this.#drawing;
    const number = this.#drawing.eventAt(event.offsetX, event.offsetY);
    byId("hair").hidden = false;
    byId("hair").style.left = `${event.offsetX}px`;
    const tip = byId("tip");
    const all = this.#state.events.all;
    const time = element("b", {}, `${moment(number < 0 ? scale.at(event.offsetX) : all[number].at_s)} s`);
    if (number < 0) tip.replaceChildren(time);
    else tip.replaceChildren(time, ` ${all[number].source} · ${all[number].event}`, element("p", {}, summary(all[number]).slice(0, 300)));
    tip.hidden = false;
    const left = event.clientX + 14 + tip.offsetWidth > innerWidth ? event.clientX - 14 - tip.offsetWidth : event.clientX + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${event.clientY + 16}px`;
    this.#drawing.canvas.style.cursor = number < 0 ? "crosshair" : "pointer";
  }

  #leave() {
    byId("hair").hidden = true;
    byId("tip").hidden = true;
  }

  #key(event) {
    const act = {
      ArrowLeft: () => this.#state.pan(-0.15),
      ArrowRight: () => this.#state.pan(0.15),
      ArrowUp: () => this.#state.step(-1),
      ArrowDown: () => this.#state.step(1),
    }[event.key];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }
}
