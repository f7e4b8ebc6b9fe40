import { beforeEach, describe, expect, it, vi } from "vitest";
import { Outbox, randomId } from "./outbox";
import { Storage } from "./storage";

const text = (one: string) => ({ text: { text: one } });

describe("the outbox", () => {
  beforeEach(() => localStorage.clear());

  it("outlives the page, in order of writing", () => {
    const first = new Outbox(new Storage("a."));
    for (let number = 0; number < 12; number++) first.add(text(`${number}`));
    const later = new Outbox(new Storage("a."));
    expect(later.all().map((one) => one.content.text?.text)).toEqual(Array.from({ length: 12 }, (_, at) => `${at}`));
    expect(new Set(later.all().map((one) => one.client_id)).size).toBe(12);
  });

  it("belongs to one inbox", () => {
    new Outbox(new Storage("a.")).add(text("1"));
    expect(new Outbox(new Storage("b.")).all()).toEqual([]);
  });

  it("passes over what was refused until it is tried again", () => {
    const outbox = new Outbox(new Storage("a."));
    const [first, second] = [outbox.add(text("1")), outbox.add(text("2"))];
    outbox.put({ ...first, error: "CONTENT_INVALID" });
    expect(outbox.next()?.client_id).toBe(second.client_id);
    outbox.put({ ...first, error: undefined });
    expect(outbox.next()?.client_id).toBe(first.client_id);
  });

  it("works from memory where storage is closed", () => {
    const closed = vi.spyOn(globalThis.Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("no", "SecurityError");
    });
    const outbox = new Outbox(new Storage("a."));
    outbox.add(text("1"));
    expect(outbox.all()).toHaveLength(1);
    closed.mockRestore();
    expect(Object.keys(localStorage)).toEqual([]);
  });

  it("names messages by 128 random bits", () => {
    expect(randomId()).toMatch(/^[0-9a-f]{32}$/);
  });
});
