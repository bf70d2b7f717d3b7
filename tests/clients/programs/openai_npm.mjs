// Uses OpenAI's client for node: `openai_npm.mjs BASE_URL TOKEN WHAT`; prints JSON.
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";

const [baseURL, apiKey, WHAT] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

// All events of one response, to its end, over `ws`.
function answered(ws, body) {
  return new Promise((resolve, reject) => {
    const events = [];
    const done = (event) => {
      events.push(event);
      if (["response.completed", "response.failed", "error"].includes(event.type)) {
        ws.off("event", done);
        resolve(events);
      }
    };
    ws.on("event", done);
    ws.on("error", (error) => (error.error ? undefined : reject(error)));
    ws.send({ type: "response.create", model: "default", ...body });
  });
}

function text(events) {
  return events
    .filter((event) => event.type === "response.output_text.delta")
    .map((event) => event.delta)
    .join("");
}

const parts = {
  async chat() {
    const stream = await client.chat.completions.create({
      model: "default",
      messages: [{ role: "user", content: "hello there" }],
      stream: true,
    });
    let said = "";
    for await (const chunk of stream) said += chunk.choices[0]?.delta?.content ?? "";
    return { text: said };
  },
  async responses() {
    const first = await client.responses.create({ model: "default", input: "one" });
    const next = await client.responses.create({
      model: "default",
      input: "two",
      previous_response_id: first.id,
    });
    return { texts: [first.output_text, next.output_text] };
  },
  async socket() {
    const ws = new ResponsesWS(client);
    try {
      const first = await answered(ws, { input: "one" });
      const previous_response_id = first.at(-1).response.id;
      const next = await answered(ws, { input: "two", previous_response_id });
      const wrong = await answered(ws, { input: "x", model: "none" });
      return {
        texts: [text(first), text(next)],
        code: wrong.at(-1).error.code,
        status: wrong.at(-1).status,
      };
    } finally {
      ws.close();
    }
  },
};

console.log(JSON.stringify(await parts[WHAT]()));
