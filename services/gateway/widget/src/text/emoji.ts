const ALL =
  "😀 😊 😉 😍 😂 🤣 😅 😆 🙂 🤔 😴 😎 😭 😢 😡 😱 😳 🤗 🙄 🤝 👍 👎 👌 👏 🙏 💪 👋 👀 ❤️ 💔 💯 ✅ ❌ ❓ ⭐ 🎉 🎁 🌹 🔥 ☕ 📦 🚚";

export const EMOJI = ALL.split(" ");
