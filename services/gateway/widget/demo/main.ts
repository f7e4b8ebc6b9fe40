// A small shop that uses the widget as a real one would: who is signed in, what lies in the basket, which language.
import type { Api } from "../index";
import en from "./locales/en.json";
import zh from "./locales/zh-CN.json";

interface Customer {
  user_id: string;
  user_hash: string;
  name: string;
  locale: string;
  level: string;
  city: string;
  last_order: string;
}

type Word = keyof typeof en;

const WORDS: Record<string, Record<Word, string>> = { en, "zh-CN": zh };
const PRICES: [Word, number][] = [
  ["p1", 268],
  ["p2", 198],
  ["p3", 358],
  ["p4", 680],
  ["p5", 156],
  ["p6", 129],
];

const find = <T extends Element>(selector: string) => document.querySelector<T>(selector)!;
const account = find<HTMLSelectElement>("#account");
let customers: Customer[] = [];
let locale = localStorage.getItem("demo.locale") ?? (navigator.language.startsWith("zh") ? "zh-CN" : "en");
let basket: Word[] = [];

/** The widget may not be there yet: what is pushed before runs when it comes. */
function tell(method: keyof Api, ...given: unknown[]): void {
  const queue = (window.yunsong ??= [] as unknown as Api) as unknown as { push(call: unknown[]): void };
  queue.push([method, ...given]);
}

const t = (word: Word) => WORDS[locale]![word];
const money = (amount: number) => new Intl.NumberFormat(locale, { style: "currency", currency: "CNY", maximumFractionDigits: 0 }).format(amount);

function draw(): void {
  document.documentElement.lang = locale;
  document.title = t("shop");
  for (const one of document.querySelectorAll<HTMLElement>("[data-t]")) one.textContent = t(one.dataset.t as Word);
  find(".products").replaceChildren(...PRICES.map(product));
  const chosen = account.value;
  account.replaceChildren(new Option(t("guest"), ""), ...customers.map((one) => new Option(one.name, one.user_id)));
  account.value = chosen || localStorage.getItem("demo.customer") || "";
}

function product([word, price]: [Word, number]): HTMLElement {
  const item = document.createElement("li");
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${word}`);
  picture.setAttribute("aria-hidden", "true");
  picture.append(use);
  const buttons = document.createElement("div");
  buttons.append(
    button(t("add"), (one) => {
      basket = [...basket, word];
      find("#basket b").textContent = String(basket.length);
      one.textContent = t("added");
      const total = basket.reduce((sum, other) => sum + PRICES.find(([name]) => name === other)![1], 0);
      tell("setAttributes", { basket_items: basket.length, basket_total: total });
    }),
    button(t("ask"), () => {
      tell("setAttributes", { product: t(word), product_price: price });
      tell("open");
    }),
  );
  item.append(picture, element("h3", t(word)), element("p", t(`${word}_text` as Word)), element("strong", money(price)), buttons);
  return item;
}

function element(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function button(text: string, act: (self: HTMLElement) => void): HTMLElement {
  const made = element("button", text) as HTMLButtonElement;
  made.type = "button";
  made.addEventListener("click", () => act(made));
  return made;
}

/** The shop's own server would give the page this proof; here it came with the demo's data. */
function signIn(id: string): void {
  const customer = customers.find((one) => one.user_id === id);
  if (!customer) return;
  const { user_id, user_hash, name, level, city, last_order } = customer;
  tell("identify", { user_id, user_hash, name, level, city, last_order });
}

account.addEventListener("change", () => {
  localStorage.setItem("demo.customer", account.value);
  if (account.value) signIn(account.value);
  else tell("logout");
});
find("#language").addEventListener("click", () => {
  locale = locale === "en" ? "zh-CN" : "en";
  localStorage.setItem("demo.locale", locale);
  tell("setLocale", locale);
  draw();
});
find("#hero-ask").addEventListener("click", () => tell("open"));
find("#basket").addEventListener("click", () => find("#products").scrollIntoView({ behavior: "smooth" }));

async function begin(): Promise<void> {
  draw();
  const shop = (await (await fetch("/demo/shop.json")).json()) as { customers: Customer[] };
  customers = shop.customers;
  draw();
  if (account.value) signIn(account.value);
}

void begin();
