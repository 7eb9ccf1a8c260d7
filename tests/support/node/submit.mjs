// A customer made of nostr-tools alone: publishes one job on every relay given, and prints what each relay brought back.
//
// usage: node submit.mjs '{"relays": [...], "to": HEX, "tags": [...], "content": "...", "wait_s": 30}'
// prints one JSON object: {"request": ID, "published": {relay: ""|error}, "answers": {relay: EVENT|null}}, where the
// answer is the first of kind 6850, or 7000 with status error, that is signed rightly (checked here) by `to`.
import { finalizeEvent, generateSecretKey, verifyEvent } from 'nostr-tools/pure'
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay'
import WebSocket from 'ws'

useWebSocketImplementation(WebSocket)
const job = JSON.parse(process.argv[2])
const request = finalizeEvent(
  {
    kind: 5850,
    created_at: Math.floor(Date.now() / 1000),
    tags: [['p', job.to], ['relays', ...job.relays], ...job.tags],
    content: job.content,
  },
  generateSecretKey(),
)
const final = (event) =>
  event.kind === 6850 || event.tags.some((tag) => tag[0] === 'status' && tag[1] === 'error')

function listen(relay) {
  return new Promise((resolve) => {
    const give = setTimeout(() => resolve(null), job.wait_s * 1000)
    relay.subscribe([{ kinds: [6850, 7000], '#e': [request.id] }], {
      onevent(event) {
        if (event.pubkey === job.to && final(event) && verifyEvent(event)) {
          clearTimeout(give)
          resolve(event)
        }
      },
    })
  })
}

const relays = await Promise.all(job.relays.map((url) => Relay.connect(url)))
const answers = relays.map(listen)
const published = await Promise.all(
  relays.map((relay) => relay.publish(request).then(() => '', (error) => String(error))),
)
const named = (values) => Object.fromEntries(job.relays.map((url, i) => [url, values[i]]))
console.log(
  JSON.stringify({ request: request.id, published: named(published), answers: named(await Promise.all(answers)) }),
)
relays.forEach((relay) => relay.close())
