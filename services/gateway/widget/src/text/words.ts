// The built-in languages. The build replaces this module by a packed one with the same content.
import en from "../locales/en.json";
import zh from "../locales/zh-CN.json";

export type Word = keyof typeof en;

export const WORDS: Record<string, Record<Word, string>> = { en, "zh-CN": zh };
