export interface Piece {
  text: string;
  /** Where it leads; undefined for plain text. */
  href?: string;
}

const LINK = /(https?:\/\/|www\.)[^\s<>"'，。；：！？、（）【】《》“”‘’]+|[\w.+-]+@[\w-]+(\.[\w-]+)+/gi;
const TRAILING = /[.,;:!?)\]}*_~]+$/;

/** Splits text into plain pieces and links. Only http, https and mail addresses become links. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    const at = found.index;
    let link = found[0].replace(TRAILING, "");
    const closing = found[0][link.length];
    // "https://en.wikipedia.org/wiki/Pine_(tree)" keeps the bracket that it opened.
    if (closing === ")" && link.includes("(")) link += closing;
    const href = /^https?:/i.test(link) ? link : /^www\./i.test(link) ? `https://${link}` : `mailto:${link}`;
    if (at > end) pieces.push({ text: text.slice(end, at) });
    pieces.push({ text: link, href });
    end = at + link.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

/** An address that may stand in a link or a picture: http or https, else nothing. */
export function safeUrl(address: string): string {
  return /^https?:\/\//i.test(address) ? address : "";
}
