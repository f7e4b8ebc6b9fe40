import type { FormField } from "../api/types";
import type { Word } from "./i18n";

const RULES: Record<string, [RegExp, Word]> = {
  email: [/^[^\s@]+@[^\s@]+\.[^\s@]+$/, "invalid_email"],
  phone: [/^\+?[\d ()-]{5,30}$/, "invalid_phone"],
  number: [/^-?\d+([.,]\d+)?$/, "invalid_number"],
};

/** What is wrong with the answers, by field. */
export function check(fields: FormField[], values: Record<string, string>): Record<string, Word> {
  const wrong: Record<string, Word> = {};
  for (const { name, type, required } of fields) {
    const value = (values[name] ?? "").trim();
    const rule = RULES[type];
    if (!value) {
      if (required) wrong[name] = "required";
    } else if (rule && !rule[0].test(value)) {
      wrong[name] = rule[1];
    }
  }
  return wrong;
}
