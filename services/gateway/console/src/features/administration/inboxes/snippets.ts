/** What a website includes to show the widget and to say who its visitor is. `page`: the inbox's chat page. */

export function scriptSnippet(page: string): string {
  const { origin, pathname } = new URL(page)
  return `<script async src="${origin}/widget.js" data-inbox="${pathname.split('/').pop()}"></script>`
}

export function serverSnippet(): string {
  return `import hashlib, hmac

user_hash = hmac.new(IDENTITY_SECRET.encode(), user_id.encode(), hashlib.sha256).hexdigest()`
}

export function identifySnippet(): string {
  return `<script>
  (window.yunsong ||= []).push(["identify", {
    user_id: "10086",
    user_hash: "…",
    name: "客户 1",
    plan: "gold"
  }]);
</script>`
}
