/* A page that was opened as a file may start no worker, and the search is one. There it
   runs in a hidden frame instead; wherever workers are allowed this does nothing. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.srcdoc = "<script>" +
        "window.postMessage = data => frameElement.heard(data);" +
        "window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() =>" +
        "  new Promise(done => { const script = document.createElement('script');" +
        "    script.src = url; script.onload = done; document.head.append(script) }))," +
        "  Promise.resolve())" +
        "</script><script src='" + url + "'></script>"
      frame.heard = data => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      this.frame = frame
      this.ready = new Promise(done => { frame.onload = done })
      document.body.append(frame)
    }
    postMessage(data) {
      this.ready.then(() =>
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
