import { describe, expect, it } from "vitest";
import en from "../locales/en.json";
import zh from "../locales/zh-CN.json";
import { check } from "./check";
import { accentText, contrast, onAccent, parse } from "./colour";
import { bytes, day, wait } from "./format";
import { I18n, match } from "./i18n";
import { linkify, safeUrl } from "./linkify";

describe("the languages", () => {
  it("have the same words with the same places for names", () => {
    const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
    expect(Object.keys(zh)).toEqual(Object.keys(en));
    for (const word of Object.keys(en) as (keyof typeof en)[]) {
      expect(places(zh[word]), word).toEqual(places(en[word]));
      expect(zh[word].trim(), word).not.toBe("");
      expect(zh[word] + en[word], word).not.toContain("\n"); // the build joins them by line
    }
  });

  it("are chosen by what is asked for, else by its first part", () => {
    expect(match("zh-TW", ["en", "zh-CN"])).toBe("zh-CN");
    expect(match("en_GB", ["en", "zh-CN"])).toBe("en");
    expect(match("fr", ["en", "zh-CN"])).toBe("");
    expect(new I18n("zh").of({ en: 1, "zh-CN": 2 })).toBe(2);
    expect(new I18n("zh").of({ fr: 3 })).toBe(3);
  });
});

describe("links", () => {
  const links = (text: string) => linkify(text).flatMap((piece) => piece.href ?? []);

  it("end before punctuation, Chinese too", () => {
    expect(links("看 https://a.example/x?y=1。好的")).toEqual(["https://a.example/x?y=1"]);
    expect(links("(see www.a.example/x).")).toEqual(["https://www.a.example/x"]);
    expect(links("https://a.example/Pine_(tree)")).toEqual(["https://a.example/Pine_(tree)"]);
    expect(links("write to me@a.example!")).toEqual(["mailto:me@a.example"]);
  });

  it("never lead to a script", () => {
    expect(links("javascript:alert(1) data:text/html,x")).toEqual([]);
    expect(safeUrl("javascript:alert(1)")).toBe("");
    expect(safeUrl("https://a.example")).toBe("https://a.example");
  });

  it("lose no character", () => {
    for (const text of ["", "a", "https://a.example", "x https://a.example) y", "a@b.example,c@d.example"]) {
      expect(linkify(text).map((piece) => piece.text).join("")).toBe(text);
    }
  });
});

describe("colours", () => {
  it("stay legible whatever the accent", () => {
    for (let number = 0; number < 0x1000000; number += 34_567) {
      const accent = `#${number.toString(16).padStart(6, "0")}`;
      expect(contrast(parse(onAccent(accent)), parse(accent)), accent).toBeGreaterThanOrEqual(4.5);
      for (const ground of ["#f3f5f4", "#242a28"]) {
        expect(contrast(parse(accentText(accent, ground)), parse(ground)), accent).toBeGreaterThanOrEqual(4.5);
      }
    }
  });
});

describe("forms", () => {
  const field = (name: string, type: string, required = false) => ({ name, type, required, label: "", options: [] });

  it("say what is wrong by field", () => {
    const fields = [field("a", "text", true), field("b", "email"), field("c", "phone"), field("d", "number")];
    expect(check(fields, { a: " ", b: "x", c: "abc", d: "1,5" })).toEqual({
      a: "required",
      b: "invalid_email",
      c: "invalid_phone",
    });
    expect(check(fields, { a: "x", b: "a@b.example", c: "+86 139 0000 0000" })).toEqual({});
  });
});

describe("formats", () => {
  it("write sizes, days and waits", () => {
    const i18n = new I18n("en");
    expect([bytes(0), bytes(999), bytes(1536), bytes(20_000_000)]).toEqual(["0 B", "999 B", "1.5 kB", "20 MB"]);
    const now = new Date(2026, 4, 3, 1);
    expect(day(new Date(2026, 4, 3, 0, 30).toISOString(), i18n, now)).toBe("Today");
    expect(day(new Date(2026, 4, 2, 23).toISOString(), i18n, now)).toBe("Yesterday");
    expect(day(new Date(2025, 0, 2).toISOString(), i18n, now)).toBe("January 2, 2025");
    expect([wait(20, i18n), wait(61, i18n)]).toEqual(["less than a minute", "about 2 min"]);
  });
});
