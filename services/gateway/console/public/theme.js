// Runs before the first paint, so that a dark screen never flashes white.
;(function () {
  var choice = null
  try {
    choice = localStorage.getItem('yunsong.theme')
  } catch {
    /* storage is closed to the page: follow the system */
  }
  var dark = choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
})()
